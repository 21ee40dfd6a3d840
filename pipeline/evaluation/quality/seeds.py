"""Intervals over several seeds: how a method differs from the baseline, not how these weights do.

What was measured with several seeds varies because of the training (the seeds) and because of the texts that were drawn. The
texts are the same for all seeds, so these two are crossed, and what is left is which texts a seed happens to get right.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit

from pipeline.evaluation.quality.intervals import tango, wilson
from pipeline.evaluation.statistics import CONFIDENCE, Interval, ratio_interval


def change_over_seeds(baseline: np.ndarray, candidate: np.ndarray, confidence: float = CONFIDENCE) -> Interval:
    """The mean change of a share of right answers; baseline, candidate: bool (seeds, texts), which answers are right.

    It is never narrower than Tango's interval would be if every seed had texts of its own.
    """
    gained, lost = int((candidate & ~baseline).sum()), int((baseline & ~candidate).sum())
    change = mean_over_seeds(candidate.astype(float) - baseline, confidence)
    return change.hull(tango(gained, lost, baseline.size, confidence))


def share_over_seeds(right: np.ndarray, confidence: float = CONFIDENCE) -> Interval:
    """The mean share of right answers, bool (seeds, texts); never narrower than Wilson's interval of all of them."""
    return mean_over_seeds(right.astype(float), confidence).hull(wilson(int(right.sum()), right.size, confidence))


def mean_over_seeds(values: np.ndarray, confidence: float = CONFIDENCE) -> Interval:
    """The mean of values, float (seeds, texts), over seeds and texts that were both drawn; at least two of each.

    The variance is that of a two-way layout with random rows and columns, (MS seeds + MS texts - MS rest) / values, with
    Satterthwaite's degrees of freedom (Searle, Casella and McCulloch, *Variance components*, 1992).
    """
    seeds, texts = values.shape
    mean, of_seeds, of_texts = values.mean(), values.mean(axis=1), values.mean(axis=0)
    rest = values - of_seeds[:, None] - of_texts + mean
    free = np.array([seeds - 1, texts - 1, (seeds - 1) * (texts - 1)])
    squares = np.array([texts * ((of_seeds - mean) ** 2).sum(), seeds * ((of_texts - mean) ** 2).sum(), (rest**2).sum()])
    parts = squares / free / values.size  # each its mean square, divided by the number of values
    variance = max(parts[0] + parts[1] - parts[2], parts[0], parts[1])
    if variance == 0:
        return Interval(float(mean), float(mean), float(mean))
    half = stdtrit(variance**2 / (parts**2 / free).sum(), (1 + confidence) / 2) * np.sqrt(variance)
    return Interval(float(mean), float(mean - half), float(mean + half))


def ratio_over_seeds(log_ratios: Sequence[np.ndarray]) -> Interval:
    """The geometric mean of ratios, float64 (pairs,) for each of at least two seeds.

    A seed's pairs are of this seed only, so their noise is in its mean, and Student's t over the seeds counts it once. It is
    never narrower than the pairs alone say.
    """
    means = np.array([ratios.mean() for ratios in log_ratios])
    free = sum(len(ratios) - 1 for ratios in log_ratios)
    found = ratio_interval(means)
    if not free:
        return found
    pooled = sum(((ratios - ratios.mean()) ** 2).sum() for ratios in log_ratios) / free
    half = stdtrit(free, (1 + CONFIDENCE) / 2) * np.sqrt(pooled * sum(1 / len(ratios) for ratios in log_ratios)) / len(means)
    return found.hull(Interval(found.value, float(found.value * np.exp(-half)), float(found.value * np.exp(half))))
