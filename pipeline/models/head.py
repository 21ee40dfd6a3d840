"""The last layer of a classifier, from features to logits."""

from typing import Any

import numpy as np
import torch


def last_layer(model: Any) -> tuple[str, torch.nn.Linear]:
    """The name of the last linear layer of a network, and the layer."""
    layers = [(name, module) for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)]
    return layers[-1]


def renew_last_layer(model: Any) -> None:
    """Give the last layer new weights, as transformers draws them, and biases of 0."""
    _, layer = last_layer(model)
    torch.nn.init.normal_(layer.weight, std=getattr(model.config, "initializer_range", 0.02))
    if layer.bias is not None:
        torch.nn.init.zeros_(layer.bias)


def set_biases(model: Any, biases: np.ndarray) -> None:
    """Give the last layer these biases, float32 (labels,)."""
    _, layer = last_layer(model)
    with torch.no_grad():
        layer.bias.copy_(torch.from_numpy(biases))
