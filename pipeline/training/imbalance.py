"""Class imbalance: the weights of classes, and a cross-entropy in which a text counts as much as its class weighs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F


def balanced_weights(labels: Sequence[int], classes: int = 0) -> torch.Tensor:
    """texts / (classes * texts of the class), as scikit-learn's class_weight="balanced" (King and Zeng 2001).

    labels: one a text. Returns float32 (largest label + 1, but at least `classes`,), 0 for a class without texts. The mean
    weight of a text is 1.
    """
    counts = np.bincount(np.asarray(labels), minlength=classes)
    weights = np.divide(counts.sum(), np.count_nonzero(counts) * counts, out=np.zeros(len(counts)), where=counts > 0)
    return torch.from_numpy(weights.astype(np.float32))


class WeightedCrossEntropy:
    """The mean over a batch of each text's cross-entropy, with label smoothing, times the weight of its class.

    It is divided by the number of texts, not by the sum of their weights: else a batch of one class would not be weighted.
    """

    def __init__(self, weights: torch.Tensor, label_smoothing: float) -> None:
        """weights: float32 (labels,)."""
        self._weights, self._smoothing = weights, label_smoothing
        self.forward_arguments: dict[str, bool] = {}

    def __call__(
        self, outputs: Any, inputs: Mapping[str, torch.Tensor], labels: torch.Tensor, rows: torch.Tensor
    ) -> torch.Tensor:
        """The loss, a scalar; labels: int64 (n,)."""
        each = F.cross_entropy(outputs.logits.float(), labels, reduction="none", label_smoothing=self._smoothing)
        return (each * self._weights.to(labels.device)[labels]).mean()


def balanced_cross_entropy(labels: Sequence[int], label_smoothing: float) -> WeightedCrossEntropy:
    """The loss of a training on these labels."""
    return WeightedCrossEntropy(balanced_weights(labels), label_smoothing)
