"""Two classifiers on the same queries: intervals for the difference of their shares, and tests of it.

`gained` is how many queries the candidate alone has right, `lost` how many the baseline alone has. Intervals
are candidate - baseline, as shares: 0.01 is one point.
"""

from collections.abc import Callable
from math import sqrt

import numpy as np
from scipy.optimize import brentq
from scipy.special import bdtr, ndtri

from pipeline.evaluation.statistics import CONFIDENCE, Interval

RESAMPLES = 2000
CHUNK = 250  # resamples at once: 250 times 5,500 queries are 6 MB
Z = float(ndtri((1 + CONFIDENCE) / 2))
NEXT = 1e-12  # beside the estimate, where the score interval starts to look for its bounds


def mcnemar(gained: int, lost: int) -> float:
    """Two-sided p-value of the exact McNemar test (1947): are flips as likely in both directions? 1 where none differ."""
    return min(1.0, 2 * float(bdtr(min(gained, lost), gained + lost, 0.5)))


def tango(gained: int, lost: int, n: int) -> Interval:
    """The score interval of Tango (Statistics in Medicine 17, 1998); right also where no query differs."""
    value = (gained - lost) / n

    def beyond(sign: float) -> Callable[[float], float]:
        def excess(delta: float) -> float:
            a, b = 2 * n, -gained - lost + (2 * n - gained + lost) * delta
            c = -lost * delta * (1 - delta)
            alone = (sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)  # most likely share that the baseline alone has right
            return gained - lost - n * delta - sign * Z * sqrt(max(n * (2 * alone + delta * (1 - delta)), 0.0))

        return excess

    low = -1.0 if value == -1 else float(brentq(beyond(1.0), -1, value - NEXT, xtol=1e-13))
    high = 1.0 if value == 1 else float(brentq(beyond(-1.0), value + NEXT, 1, xtol=1e-13))
    return Interval(value, low, high)


def wilson(successes: int, n: int) -> Interval:
    """The score interval of Wilson (1927) for a share of n; right also where it is 0 or 1."""
    share, scale = successes / n, 1 + Z * Z / n
    middle, half = share + Z * Z / (2 * n), Z * sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))
    return Interval(share, max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale))


def bootstrap(n: int, metrics: Callable[[np.ndarray], dict[str, np.ndarray]], seed: int = 0) -> dict[str, Interval]:
    """The bootstrap of n queries (Efron and Tibshirani 1993, percentiles): they are drawn again, with all their answers.

    `metrics` takes weights, float32 (resamples, n), and gives each metric for each resample. What is not finite for the
    queries as they are is left out.
    """
    rng, drawn = np.random.default_rng(seed), []
    for start in range(0, RESAMPLES, CHUNK):
        rows = rng.integers(n, size=(min(CHUNK, RESAMPLES - start), n))
        drawn.append(metrics(np.stack([np.bincount(row, minlength=n) for row in rows]).astype(np.float32)))
    found = {}
    for name, value in metrics(np.ones((1, n), dtype=np.float32)).items():
        if np.isfinite(value[0]):
            samples = np.concatenate([part[name] for part in drawn])
            low, high = np.nanpercentile(samples, [50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)])
            found[name] = Interval(float(value[0]), float(low), float(high))
    return found
