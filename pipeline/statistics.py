"""Statistics of paired latencies: the interval of a speed-up over pairs of fresh processes, and the verdict.

Times vary on two levels: from call to call within a process, and from one process to the next of the very same program,
since its memory lands elsewhere (Kalibera and Jones, *Rigorous benchmarking in reasonable time*, ISMM 2013). Calls of one
pair of processes tell nothing about the second level. So each pair gives one value, and the interval is taken over these
values: their spread holds both levels.
"""

from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95
STRATIFIED_FROM = 4  # pairs, two of each starting order
FASTER, SLOWER, EQUIVALENT, INCONCLUSIVE = "faster", "slower", "equivalent", "inconclusive"


@dataclass(frozen=True)
class Interval:
    """A ratio of times, and between which bounds the true one lies in 95 of 100 such measurements."""

    value: float
    low: float
    high: float

    @property
    def width(self) -> float:
        """Its width as a share of the value: 0.03 is about ±1.5 %."""
        return (self.high - self.low) / self.value

    @property
    def excludes_1(self) -> bool:
        """Whether "equally fast" lies outside."""
        return self.low > 1 or self.high < 1


def ratio_interval(log_ratios: np.ndarray, candidate_first: np.ndarray) -> Interval:
    """The mean ratio over pairs with its 95 % interval; `log_ratios` float64 (pairs,), `candidate_first` bool (pairs,).

    The process that is started second is a little faster, so starting orders alternate, and from four pairs on the two
    orders are strata: the value is the mean of both means, the variance that within the orders, pooled, with pairs - 2
    degrees of freedom (Student's t). With fewer pairs the order's effect widens the interval. That of one pair is infinite.
    """
    from scipy.stats import t

    values, first = np.asarray(log_ratios, dtype=np.float64), np.asarray(candidate_first, dtype=bool)
    strata = [values[first], values[~first]]
    if len(values) >= STRATIFIED_FROM and min(len(stratum) for stratum in strata) > 1:
        freedom = len(values) - 2
        mean = sum(stratum.mean() for stratum in strata) / 2
        pooled = sum(((stratum - stratum.mean()) ** 2).sum() for stratum in strata) / freedom
        error = np.sqrt(pooled * sum(1 / len(stratum) for stratum in strata) / 4)
    else:
        freedom, mean = len(values) - 1, values.mean()
        error = values.std(ddof=1) / np.sqrt(len(values)) if freedom else np.inf
    half = float(t.ppf((1 + CONFIDENCE) / 2, freedom)) * error if freedom else np.inf
    with np.errstate(over="ignore"):
        return Interval(float(np.exp(mean)), float(np.exp(mean - half)), float(np.exp(mean + half)))


def verdict(interval: Interval, margin: float) -> str:
    """What may be said of a speed-up.

    equivalent: the whole interval is within `margin` of 1 (a share: 0.02 is from 1/1.02 to 1.02); faster, slower: it is not,
    and "equally fast" lies outside; inconclusive: none of these, so more pairs are needed.
    """
    if interval.low >= 1 / (1 + margin) and interval.high <= 1 + margin:
        return EQUIVALENT
    if interval.excludes_1:
        return FASTER if interval.low > 1 else SLOWER
    return INCONCLUSIVE
