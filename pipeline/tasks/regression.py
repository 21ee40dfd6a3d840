"""Logistic regressions as one matrix, with scikit-learn; import this module inside functions only."""

from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

NEVER = -20.0  # added to the lowest bias, for a label without texts


def of_one_label(
    features: Any, truth: np.ndarray, labels: int, strength: float, balanced: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Weights, float64 (features, labels), and biases; scikit-learn has only one row of weights for two classes.

    truth: int64 (n,); strength: scikit-learn's C; balanced: its class_weight="balanced".
    """
    model = _model(strength, balanced).fit(features, truth)
    weights, bias = model.coef_, model.intercept_
    if len(model.classes_) == 2:
        weights, bias = np.concatenate([-weights / 2, weights / 2]), np.concatenate([-bias / 2, bias / 2])
    if len(model.classes_) < labels:  # the others have no texts, so they are no answer
        known, weights, bias = (weights, bias), np.zeros((labels, weights.shape[1])), np.full(labels, bias.min() + NEVER)
        weights[model.classes_], bias[model.classes_] = known
    return np.ascontiguousarray(weights.T), bias


def of_several_labels(features: Any, truth: np.ndarray, strength: float, balanced: bool) -> tuple[np.ndarray, np.ndarray]:
    """The same, of a regression for each label. truth: bool (n, labels)."""
    models = [_model(strength, balanced).fit(features, own) for own in _with_both(truth).T]
    weights = np.concatenate([each.coef_ for each in models])
    return np.ascontiguousarray(weights.T), np.concatenate([each.intercept_ for each in models])


def _model(strength: float, balanced: bool) -> Any:
    return LogisticRegression(C=strength, max_iter=1000, class_weight="balanced" if balanced else None)


def _with_both(truth: np.ndarray) -> np.ndarray:
    """The labels, where the first text has another one if all or none have it: a regression needs texts of both kinds."""
    changed = truth.copy()
    changed[0, truth.all(axis=0)] = False
    changed[0, ~truth.any(axis=0)] = True
    return changed
