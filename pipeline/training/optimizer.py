"""AdamW with parameter groups: each with its learning rate, and with weight decay or without."""

from collections.abc import Callable
from typing import Any

import torch


def adamw(
    model: Any, weight_decay: float, rate_of: Callable[[str], float], decays: Callable[[str], bool] = lambda name: True
) -> torch.optim.AdamW:
    """Fused AdamW (Loshchilov and Hutter 2019) of what can be trained.

    rate_of: the learning rate of a parameter, by its name. As in the transformers Trainer, biases and norms, which have one
    dimension, do not decay; nor does what `decays` is False for.
    """
    groups: dict[tuple[float, bool], list[torch.nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((rate_of(name), parameter.dim() > 1 and decays(name)), []).append(parameter)
    settings = [
        {"params": parameters, "lr": rate, "weight_decay": weight_decay if decayed else 0.0}
        for (rate, decayed), parameters in groups.items()
    ]
    return torch.optim.AdamW(settings, fused=True)
