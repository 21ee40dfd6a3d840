"""Metrics of several labels a text, of weighted queries: weights of 1 give the metric, others that of a resample.

Truth and answers are bool (n, labels). F1 of a label is 2 * hits / (answered + true); micro F1 takes the counts of all
labels together, macro F1 is the mean over the labels that occur in truth or answers, and samples F1 the mean over texts,
where a text without labels that gets none counts 1 (as scikit-learn's f1_score does with
zero_division=nan, and 1 for samples).
"""

import numpy as np


def weighted(weights: np.ndarray, predicted: np.ndarray, truth: np.ndarray) -> dict[str, np.ndarray]:
    """Each metric for each row of weights, float32 (resamples, n): float64 (resamples,)."""
    total = weights.sum(axis=1, dtype=np.float64)
    hits, answered, true = (_sums(weights, counted) for counted in (predicted & truth, predicted, truth))
    return {
        "accuracy": _sums(weights, (predicted == truth).all(axis=1)) / total,
        "f1_micro": _f1(hits.sum(axis=1), (answered + true).sum(axis=1)),
        "f1_macro": _mean_f1(hits, answered + true),
        "f1_samples": _sums(weights, f1_of_texts(predicted, truth)) / total,
    }


def f1_of_texts(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """F1 of each text, float64 (n,); 1 where it has no label and gets none."""
    hits, counted = (predicted & truth).sum(axis=1), predicted.sum(axis=1) + truth.sum(axis=1)
    return np.where(counted == 0, 1.0, 2 * hits / np.maximum(counted, 1))


def average_precision(scores: np.ndarray, truth: np.ndarray) -> float:
    """The mean over the labels that occur of their average precision; NaN where none does. scores: float64 (n, labels)."""
    from sklearn.metrics import average_precision_score

    occurs = np.flatnonzero(truth.any(axis=0))
    found = [average_precision_score(truth[:, label], scores[:, label]) for label in occurs]
    return float(np.mean(found)) if found else float("nan")


def f1_of_counts(mean: np.ndarray) -> np.ndarray:
    """Micro F1 of mean counts a text, float (..., 2): right labels, and answered labels plus true ones."""
    return _f1(mean[..., 0], mean[..., 1])


def counts_of_texts(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The counts of each text for `f1_of_counts`, int64 (n, 2)."""
    return np.stack([(predicted & truth).sum(axis=1), predicted.sum(axis=1) + truth.sum(axis=1)], axis=1)


def _sums(weights: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """The weighted sum over queries of what is counted, (n,) or (n, labels): float64."""
    sums: np.ndarray = (weights @ counted.astype(np.float32)).astype(np.float64)
    return sums


def _f1(hits: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """2 * hits / counted; 0 where nothing is counted."""
    return np.where(counted > 0, 2 * hits / np.maximum(counted, 1e-12), 0.0)


def _mean_f1(hits: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """The mean over the labels that occur, (resamples, labels) -> (resamples,)."""
    occurs = counted > 0
    mean: np.ndarray = _f1(hits, counted).sum(axis=1) / np.maximum(occurs.sum(axis=1), 1)
    return mean
