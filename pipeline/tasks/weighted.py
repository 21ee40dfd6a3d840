"""Metrics of one label a text: the texts that each counts, and its value for weighted queries.

Weights of 1 give the results of `scores.py`, other weights those of a resample.
"""

import numpy as np


def answer(logits: np.ndarray) -> np.ndarray:
    """The label with the largest logit, which is the answer where no decision rule was fitted.

    logits: float (n, labels). Returns indices of labels, int64 (n,).
    """
    labels: np.ndarray = logits.argmax(axis=-1)
    return labels


def out_of_scope(truth: np.ndarray, oos: int | None) -> np.ndarray:
    """Which texts are out of scope: bool (n,). truth: int64 (n,); oos: the index of that label, None where there is none."""
    return np.zeros(len(truth), dtype=bool) if oos is None else truth == oos


def fixed_parts(truth: np.ndarray, oos: int | None) -> dict[str, np.ndarray]:
    """For each metric that is a share of right answers among texts that no answer decides: these texts, bool (n,).

    truth: int64 (n,), indices of labels; oos: the index of the out-of-scope label, None where there is none. The metrics are
    those of Larson et al. 2019: accuracy of all texts, in_scope_accuracy and oos_recall of those in and out of scope.
    """
    found = {"accuracy": np.ones(len(truth), dtype=bool)}
    if oos is None:
        return found
    outside = out_of_scope(truth, oos)
    return found | {"in_scope_accuracy": ~outside, "oos_recall": outside}


def parts(truth: np.ndarray, predicted: np.ndarray, oos: int | None) -> dict[str, np.ndarray]:
    """The same, and oos_precision: of the texts that were answered as out of scope. predicted: int64 (n,)."""
    found = fixed_parts(truth, oos)
    return found if oos is None else found | {"oos_precision": predicted == oos}


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
