"""Calibration: are 80 % of the answers with a score of 0.8 right?

The expected calibration error is the mean difference between score and accuracy over bins of similar score, weighted by the
number of answers (Naeini et al. 2015; 15 bins of equal width as in Guo et al. 2017). It is above 0 for perfect scores too:
the share that is right in a bin varies by chance. How much that makes is shown beside it, not subtracted: where scores are
wrong, chance adds less, so the difference would be too small.
"""

from dataclasses import dataclass

import numpy as np

BINS = 15
DRAWS, MIN_DRAWS = 200, 4  # of perfect scores
MAX_DRAWN = 20_000_000  # scores in all draws


@dataclass(frozen=True)
class Bins:
    """Answers in bins by score; all float64 (bins,), without empty bins."""

    score: np.ndarray  # mean score
    right: np.ndarray  # share of right answers
    count: np.ndarray  # number of answers

    @property
    def ece(self) -> float:
        """The expected calibration error, 0 to 1."""
        return float((self.count * np.abs(self.score - self.right)).sum() / self.count.sum())


def binned(scores: np.ndarray, right: np.ndarray) -> Bins:
    """Put answers into bins; `scores` float64 (n,) from 0 to 1, `right` bool (n,)."""
    places = np.minimum((scores * BINS).astype(np.int64), BINS - 1)
    count = np.bincount(places, minlength=BINS)
    filled = count > 0
    totals = (np.bincount(places, weights=values, minlength=BINS)[filled] for values in (scores, right.astype(np.float64)))
    score, share = (total / count[filled] for total in totals)
    return Bins(score, share, count[filled].astype(np.float64))


def ece_of(scores: np.ndarray, right: np.ndarray) -> float:
    """The expected calibration error of scores and what is right, (n,); of those of each label, (n, labels), the mean.

    The mean over the labels is the class-wise error of Kull et al. 2019 (*Beyond temperature scaling*).
    """
    return float(np.mean([binned(own, true).ece for own, true in zip(_columns(scores), _columns(right), strict=True)]))


def ece_by_chance(scores: np.ndarray) -> float:
    """The error that perfect scores like these would show on so many texts; float64 (n,) or (n, labels), 0 to 1."""
    rng, draws = np.random.default_rng(0), int(np.clip(MAX_DRAWN // scores.size, MIN_DRAWS, DRAWS))
    return float(np.mean([ece_of(scores, rng.random(scores.shape) < scores) for _ in range(draws)]))


def _columns(values: np.ndarray) -> list[np.ndarray]:
    return list(values.reshape(len(values), -1).T)
