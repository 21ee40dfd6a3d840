"""Scores of answers in which each class counts alike, however many texts it has; truth and predicted are int64 (n,)."""

import numpy as np


def f1_macro(predicted: np.ndarray, truth: np.ndarray) -> float:
    """The mean of 2 hits / (answered + true) over the labels that occur in truth or answers."""
    hits, answered, true = _counts(predicted, truth)
    occurs = answered + true > 0
    return float((2 * hits[occurs] / (answered + true)[occurs]).mean())


def balanced_accuracy(predicted: np.ndarray, truth: np.ndarray) -> float:
    """The mean recall over the labels that occur in truth."""
    hits, _, true = _counts(predicted, truth)
    return float((hits[true > 0] / true[true > 0]).mean())


def _counts(predicted: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """By label: texts that are answered right, answered so, and truly so."""
    labels = int(max(predicted.max(), truth.max())) + 1
    hits, answered, true = (np.bincount(of, minlength=labels) for of in (truth[predicted == truth], predicted, truth))
    return hits, answered, true
