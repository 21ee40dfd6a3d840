"""Where classes count alike, however many texts they have: scores of answers, and weights of texts.

truth and predicted are int64 (n,).
"""

from collections.abc import Callable

import numpy as np


def accuracy(predicted: np.ndarray, truth: np.ndarray) -> float:
    """The share of right answers, in which texts count alike."""
    return float((predicted == truth).mean())


def f1_macro(predicted: np.ndarray, truth: np.ndarray) -> float:
    """The mean of 2 hits / (answered + true) over the labels that occur in truth or answers."""
    hits, answered, true = _counts(predicted, truth)
    occurs = answered + true > 0
    return float((2 * hits[occurs] / (answered + true)[occurs]).mean())


def balanced_accuracy(predicted: np.ndarray, truth: np.ndarray) -> float:
    """The mean recall over the labels that occur in truth."""
    hits, _, true = _counts(predicted, truth)
    return float((hits[true > 0] / true[true > 0]).mean())


SCORES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "accuracy": accuracy, "f1_macro": f1_macro, "balanced_accuracy": balanced_accuracy,
}  # fmt: skip


def _counts(predicted: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """By label: texts that are answered right, answered so, and truly so."""
    labels = int(max(predicted.max(), truth.max())) + 1
    hits, answered, true = (np.bincount(of, minlength=labels) for of in (truth[predicted == truth], predicted, truth))
    return hits, answered, true


def balanced_weights(truth: np.ndarray, labels: int) -> np.ndarray:
    """texts / (classes * texts of the class), as scikit-learn's class_weight="balanced" (King and Zeng 2001).

    Returns float32 (labels,), 0 for a class without texts. The mean weight of a text is 1.
    """
    counts = np.bincount(truth, minlength=labels)
    weights = np.divide(len(truth), np.count_nonzero(counts) * counts, out=np.zeros(len(counts)), where=counts > 0)
    narrow: np.ndarray = weights.astype(np.float32)
    return narrow
