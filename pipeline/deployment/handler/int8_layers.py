"""Linear layers in int8."""

import platform
from pathlib import Path
from typing import Any

import torch


def int8_layers(model: Any, state: dict[str, torch.Tensor]) -> None:
    """Put layers in int8 where the weights have a scale. Without instructions for int8, x86 gets activations of 7 bits."""
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    all_bits = platform.machine() not in ("x86_64", "AMD64") or "vnni" in flags or "amx_int8" in flags
    for name in [key.removesuffix(".scale") for key in state if key.endswith(".scale")]:
        values, scale, zero = (state[f"{name}.{part}"] for part in ("weight", "scale", "zero_point"))
        if scale.dim():
            weight = torch._make_per_channel_quantized_tensor(values, scale, zero, 0)
        else:
            weight = torch._make_per_tensor_quantized_tensor(values, float(scale), int(zero))
        kind: Any = torch.ao.nn.quantized.dynamic.Linear
        layer = kind(values.shape[1], values.shape[0])
        layer.set_weight_bias(weight, state.get(f"{name}.bias"))
        layer.version = 3 if all_bits else layer.version
        model.set_submodule(name, layer)
