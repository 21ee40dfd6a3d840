"""Layers of low rank: two thin ones instead of one."""

from typing import Any

import torch


def thin_layers(model: Any, state: dict[str, torch.Tensor]) -> None:
    """Put two thin layers where the weights have two."""
    for name, module in list(model.named_modules()):
        if f"{name}.0.weight" in state and isinstance(module, torch.nn.Embedding | torch.nn.Linear):
            first, second = (state[f"{name}.{place}.weight"] for place in (0, 1))
            outer = torch.nn.Linear(*reversed(second.shape), bias=f"{name}.1.bias" in state)
            table = torch.nn.Embedding(*first.shape, padding_idx=getattr(module, "padding_idx", None))
            inner = torch.nn.Linear(*reversed(first.shape), bias=False) if isinstance(module, torch.nn.Linear) else table
            model.set_submodule(name, torch.nn.Sequential(inner, outer))
