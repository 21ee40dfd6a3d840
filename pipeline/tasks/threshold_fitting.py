"""Fits the decision rule of several labels on validation texts: a temperature, and thresholds with the largest F1.

One threshold for all labels has the largest micro F1. With one a label, each has the largest F1 of its label, pulled towards
the common one as far as the label has few texts: own weight = texts / (texts + PRIOR_TEXTS), on the scale of logits.
"""

import numpy as np

from pipeline.tasks.thresholds import Thresholds, probabilities

ONE, EACH = "one", "each"
PRIOR_TEXTS = 20  # texts with a label at which its own best threshold counts as much as the common one
MAX_TEMPERATURE = 20.0  # temperatures from 1/20 to 20 are tried
EDGE = 1e-4  # no threshold is nearer to 0 or 1


def fit(logits: np.ndarray, truth: np.ndarray, which: str) -> Thresholds:
    """The rule that suits some texts best. logits: float (n, labels); truth: bool (n, labels); which: ONE or EACH."""
    temperature = fit_temperature(logits, truth)
    scores = probabilities(logits, temperature)
    common = best_threshold(scores.ravel(), truth.ravel())
    if which == ONE:
        return Thresholds(temperature, (common,))
    own = np.array([best_threshold(scores[:, label], truth[:, label]) for label in range(truth.shape[1])])
    texts = truth.sum(axis=0)
    pulled = np.where(texts > 0, texts / (texts + PRIOR_TEXTS) * _logit(own), 0.0)
    pulled += np.where(texts > 0, PRIOR_TEXTS / (texts + PRIOR_TEXTS), 1.0) * _logit(np.array(common))
    return Thresholds(temperature, tuple(probabilities(pulled).tolist()))


def fit_temperature(logits: np.ndarray, truth: np.ndarray) -> float:
    """The temperature with the largest likelihood of the labels, each a Bernoulli variable (Guo et al. 2017)."""
    from scipy.optimize import minimize_scalar

    signed = np.where(truth, logits, -logits).astype(np.float64)

    def negative_log_likelihood(log_temperature: float) -> float:
        return float(np.logaddexp(0.0, -signed / np.exp(log_temperature)).mean())

    bound = np.log(MAX_TEMPERATURE)
    return float(np.exp(minimize_scalar(negative_log_likelihood, bounds=(-bound, bound), method="bounded").x))


def best_threshold(scores: np.ndarray, truth: np.ndarray) -> float:
    """The threshold with the largest F1, halfway between two scores; 0.5 where nothing is true. (n,) each.

    Of several that are equally good the middle one is taken.
    """
    if not truth.any():
        return 0.5
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(truth[order])
    f1 = 2 * hits / (np.arange(1, len(scores) + 1) + hits[-1])
    f1 = np.where(np.append(ranked[:-1] > ranked[1:], True), f1, -1.0)  # not between equal scores
    best = np.flatnonzero(f1 >= f1.max() - 1e-12)
    last = best[len(best) // 2]
    below = ranked[last + 1] if last + 1 < len(ranked) else 0.0
    return float(np.clip((ranked[last] + below) / 2, EDGE, 1 - EDGE))


def _logit(probability: np.ndarray) -> np.ndarray:
    logits: np.ndarray = np.log(probability) - np.log1p(-probability)
    return logits
