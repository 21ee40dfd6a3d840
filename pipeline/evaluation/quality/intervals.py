"""Confidence intervals and tests for the difference between two classifiers on the same queries.

`gained` is the number of queries that only the candidate answers right, and `lost` the number that only the baseline answers
right. Differences are candidate - baseline, as shares: 0.01 is one percentage point.
"""

from collections.abc import Callable
from math import sqrt

import numpy as np
from scipy.optimize import brentq
from scipy.special import bdtr, ndtri

from pipeline.evaluation.statistics import CONFIDENCE, Interval

RESAMPLES = 2000
CHUNK = 250  # resamples in one step, for memory
NEXT = 1e-12  # distance from the estimate at which the search for the bounds starts


def mcnemar(gained: int, lost: int) -> float:
    """Two-sided p-value of the exact McNemar test (1947): are flips equally likely in both directions? 1 without flips."""
    return min(1.0, 2 * float(bdtr(min(gained, lost), gained + lost, 0.5)))


def tango(gained: int, lost: int, n: int, confidence: float = CONFIDENCE) -> Interval:
    """The score interval of Tango (Statistics in Medicine 17, 1998); it is also valid without flips."""
    value, z = (gained - lost) / n, float(ndtri((1 + confidence) / 2))

    def beyond(sign: float) -> Callable[[float], float]:
        def excess(delta: float) -> float:
            a, b = 2 * n, -gained - lost + (2 * n - gained + lost) * delta
            c = -lost * delta * (1 - delta)
            lost_share = (sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)  # its maximum-likelihood estimate
            return gained - lost - n * delta - sign * z * sqrt(max(n * (2 * lost_share + delta * (1 - delta)), 0.0))

        return excess

    low = -1.0 if value == -1 else float(brentq(beyond(1.0), -1, value - NEXT, xtol=1e-13))
    high = 1.0 if value == 1 else float(brentq(beyond(-1.0), value + NEXT, 1, xtol=1e-13))
    return Interval(value, low, high)


def wilson(successes: int, n: int, confidence: float = CONFIDENCE) -> Interval:
    """The score interval of Wilson (1927) for a share of n; it is also valid for 0 and 1."""
    z = float(ndtri((1 + confidence) / 2))
    share, scale = successes / n, 1 + z * z / n
    middle, half = share + z * z / (2 * n), z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low, high = (middle - half) / scale, (middle + half) / scale  # rounding must not move them past the share itself
    return Interval(share, max(0.0, min(low, share)), min(1.0, max(high, share)))


def bootstrap(
    counts: np.ndarray,
    metrics: Callable[[np.ndarray], dict[str, np.ndarray]],
    added: np.ndarray | float = 0.0,
    seed: int = 0,
) -> dict[str, Interval]:
    """Percentile intervals of the bootstrap (Efron and Tibshirani 1993), which resamples queries with all their answers.

    counts: int64 (kinds,), how many queries have the same label and the same answers; so a resample is one multinomial draw.
    `metrics` takes weights, float32 (resamples, kinds), and returns each metric for each resample. A metric that is not
    finite for the original queries is left out. `added`, float64 (kinds,), is added to the counts that are drawn from: a
    smoothed bootstrap, for which what was not seen is not impossible.
    """
    rng, drawn_from, resampled, found = np.random.default_rng(seed), counts + added, [], {}
    for start in range(0, RESAMPLES, CHUNK):
        size = min(CHUNK, RESAMPLES - start)
        drawn = rng.multinomial(int(counts.sum()), drawn_from / drawn_from.sum(), size=size)
        resampled.append(metrics(drawn.astype(np.float32)))
    for name, value in metrics(counts[None].astype(np.float32)).items():
        if np.isfinite(value[0]):
            samples = np.concatenate([part[name] for part in resampled])
            low, high = np.nanpercentile(samples, [50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)])
            found[name] = Interval(float(value[0]), float(min(low, value[0])), float(max(high, value[0])))
    return found
