"""Quality from weighted queries: weights of 1 give the results of `scores.py`, other weights those of a resample."""

import numpy as np

from pipeline.tasks.single_label import parts


def weighted(
    weights: np.ndarray, predicted: np.ndarray, truth: np.ndarray, labels: int, oos: int | None
) -> dict[str, np.ndarray]:
    """Each quality for each row of weights: float64 (resamples,); NaN where no query counts.

    `weights` float32 (resamples, n), how many queries are like each of these; `predicted` and `truth` int64 (n,), indices of
    `labels` labels.
    """
    right = predicted == truth
    masks = parts(truth, predicted, oos)
    shares = {name: _share(weights, right & chosen, chosen) for name, chosen in masks.items()}
    balanced = _balanced_accuracy(weights, predicted, truth, labels)
    return {**shares, "f1_macro": _f1_macro(weights, predicted, truth, labels), "balanced_accuracy": balanced}


def _share(weights: np.ndarray, part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        share: np.ndarray = _sum(weights, part) / _sum(weights, whole)
    return share


def _sum(weights: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    total: np.ndarray = (weights @ chosen.astype(np.float32)).astype(np.float64)
    return total


def _f1_macro(weights: np.ndarray, predicted: np.ndarray, truth: np.ndarray, labels: int) -> np.ndarray:
    """The mean of 2 hits / (predicted + true) over the labels that occur in truth or predictions."""
    names = np.arange(labels)
    answered, true = predicted[:, None] == names, truth[:, None] == names
    hits, occurs = _sum(weights, answered & true), _sum(weights, answered) + _sum(weights, true)
    with np.errstate(invalid="ignore"):
        f1: np.ndarray = np.nanmean(2 * hits / occurs, axis=1)
    return f1


def _balanced_accuracy(weights: np.ndarray, predicted: np.ndarray, truth: np.ndarray, labels: int) -> np.ndarray:
    """The mean of hits / true over the labels that occur in truth."""
    true = truth[:, None] == np.arange(labels)
    with np.errstate(invalid="ignore"):
        recall: np.ndarray = np.nanmean(_sum(weights, true & (predicted == truth)[:, None]) / _sum(weights, true), axis=1)
    return recall
