"""Layers of low rank: two thin ones instead of one."""

from typing import Any

import torch


def thin_layers(model: Any, state: dict[str, torch.Tensor]) -> None:
    """Put two thin layers where the weights have two."""
    for name, module in list(model.named_modules()):
        if f"{name}.0.weight" in state and isinstance(module, torch.nn.Embedding | torch.nn.Linear):
            (rows, columns), (outputs, rank) = (state[f"{name}.{place}.weight"].shape for place in (0, 1))
            table = torch.nn.Embedding(rows, columns, padding_idx=getattr(module, "padding_idx", None))
            inner = torch.nn.Linear(columns, rows, bias=False) if isinstance(module, torch.nn.Linear) else table
            outer = torch.nn.Linear(rank, outputs, bias=f"{name}.1.bias" in state)
            model.set_submodule(name, torch.nn.Sequential(inner, outer))
