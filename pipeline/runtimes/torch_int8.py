"""Runtime "torch_int8": the linear layers multiply in int8, and activations are quantized dynamically.

torch can store its packed weights only with pickle. So `weights.safetensors` (`compact.py`) has the int8 values of each such
layer as NAME.weight, with NAME.scale (float64) and NAME.zero_point (int64), either one number or one for each row, and all
other tensors in fp32. Loading packs them again, and the logits are the same to the bit.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch.ao.nn.quantized.dynamic import Linear
from torch.ao.quantization import per_channel_dynamic_qconfig, quantize_dynamic
from torch.ao.quantization.qconfig import default_dynamic_qconfig

from pipeline.models.fitting import fit
from pipeline.runtimes import compact
from pipeline.runtimes.base import Description, PublishedForm, Runtime
from pipeline.runtimes.torch import TorchRuntime, save_beside, uninitialized
from pipeline.system.cpu import int8_support
from pipeline.tasks.inputs import Input

ENGINES = ("x86", "qnnpack", "onednn")  # x86 chooses the faster of two libraries itself; qnnpack is for ARM


def choose_engine() -> None:
    """Set the library that multiplies int8 matrices in this process. Raises ValueError when torch has none."""
    engine = next((name for name in ENGINES if name in torch.backends.quantized.supported_engines), None)
    if engine is None:
        raise ValueError("this build of torch can't multiply in int8: it has none of the engines " + ", ".join(ENGINES))
    torch.backends.quantized.engine = engine


def quantize(model: Any, per_channel: bool) -> None:
    """Quantize the linear layers of a network in place, with one scale for each layer or for each row of its weights."""
    choose_engine()
    settings = per_channel_dynamic_qconfig if per_channel else default_dynamic_qconfig
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a deprecation warning
        quantize_dynamic(model, {torch.nn.Linear: settings}, inplace=True)  # type: ignore[no-untyped-call]
    for module in model.modules():
        if isinstance(module, Linear):
            use_all_bits(module)


def use_all_bits(linear: Any) -> None:
    """Quantize activations to 8 bits where the sums of products fit (see `pipeline.system.cpu`).

    The current version of torch's layer uses 7 bits on every processor; version 3 used 8.
    """
    if not int8_support().reduce_range:
        linear.version = 3


def save(model: Any, tokenizer: Any, description: Description, artifact: Path, texts: Sequence[Input] = ()) -> None:
    """Write a network that `quantize` changed, with its tokenizer, as an artifact directory."""
    linears: dict[str, Any] = {name: module for name, module in model.named_modules() if isinstance(module, Linear)}
    packed = tuple(f"{name}." for name in linears)
    state = {key: tensor for key, tensor in model.state_dict().items() if not key.startswith(packed)}
    for name, linear in linears.items():
        weight, bias = linear.weight(), linear.bias()
        state[f"{name}.weight"] = weight.int_repr()
        by_row = weight.qscheme() == torch.per_channel_affine
        scale = weight.q_per_channel_scales() if by_row else torch.tensor(weight.q_scale(), dtype=torch.float64)
        state[f"{name}.scale"] = scale
        state[f"{name}.zero_point"] = weight.q_per_channel_zero_points() if by_row else torch.tensor(weight.q_zero_point())
        if bias is not None:
            state[f"{name}.bias"] = bias
    compact.write(state, artifact)
    save_beside(model, tokenizer, description, artifact, texts)


def read(artifact: Path) -> Any:
    """The network, in eval mode. Raises as `pipeline.runtimes.torch.read` does."""
    choose_engine()
    state = compact.read(artifact)
    scales = {key.removesuffix(".scale"): state.pop(key) for key in list(state) if key.endswith(".scale")}
    zeros = {name: state.pop(f"{name}.zero_point", None) for name in scales}
    model = uninitialized(artifact).requires_grad_(False)  # int8 parameters can't have gradients
    fit(model, state)
    for name, scale in scales.items():
        try:
            model.set_submodule(name, _packed(model.get_submodule(name), scale, zeros[name]))
        except (AttributeError, RuntimeError, TypeError) as error:
            raise ValueError(f"{artifact}: {name} is not stored as an int8 layer ({error})") from error
    return model


def _packed(linear: Any, scale: torch.Tensor, zero_point: Any) -> Any:
    values = linear.weight.data
    if scale.dim():
        weight = torch._make_per_channel_quantized_tensor(values, scale, zero_point, 0)
    else:
        weight = torch._make_per_tensor_quantized_tensor(values, float(scale), int(zero_point))
    packed: Any = Linear(1, 1)  # type: ignore[no-untyped-call]  # the size does not matter: its weights are replaced
    packed.set_weight_bias(weight, linear.bias)
    packed.in_features, packed.out_features = linear.in_features, linear.out_features
    use_all_bits(packed)
    return packed


class Int8Runtime(TorchRuntime):
    """See `pipeline.runtimes.base.Runtime`."""

    name = "torch_int8"

    def network(self, artifact: Path) -> Any:
        """See `read`."""
        return read(artifact)

    def published_form(self, artifact: Path) -> PublishedForm:
        """PROJECT: transformers has no such int8 layers."""
        return PublishedForm.PROJECT

    def write_standard(self, artifact: Path, target: Path) -> None:
        """Always raises ValueError: transformers has no such int8 layers."""
        Runtime.write_standard(self, artifact, target)

    def batch_independent(self, artifact: Path) -> bool:
        """False: the activations of all texts of a batch share a scale."""
        return False

    def processor_features(self, artifact: Path) -> frozenset[str]:
        """int8."""
        return frozenset({"int8"})


RUNTIME = Int8Runtime()
