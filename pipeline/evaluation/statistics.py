"""Statistics of paired latencies: the interval of a speed-up over pairs of fresh processes, and the verdict.

Times vary on two levels: from call to call within a process, and from one process to the next of the very same program,
since its memory lands elsewhere (Kalibera and Jones, *Rigorous benchmarking in reasonable time*, ISMM 2013). Calls of one
pair of processes tell nothing about the second level. So each pair gives one value, and the interval is taken over these
values: their spread holds both levels.
"""

from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95
FASTER, SLOWER, EQUIVALENT, INCONCLUSIVE = "faster", "slower", "equivalent", "inconclusive"


@dataclass(frozen=True)
class Interval:
    """A ratio, a share or a difference, and between which bounds the true one lies in 95 of 100 such measurements."""

    value: float
    low: float
    high: float

    def hull(self, other: "Interval") -> "Interval":
        """The same with the wider bounds of both."""
        return Interval(self.value, min(self.low, other.low), max(self.high, other.high))

    def bounds(self) -> dict[str, float]:
        """By what is added to a metric's name."""
        return {"_low": self.low, "_high": self.high}

    @property
    def width(self) -> float:
        """Of a ratio: its width as a share of the value; 0.03 is about ±1.5 %."""
        return (self.high - self.low) / self.value

    @property
    def excludes_1(self) -> bool:
        """Of a ratio of times: whether "equally fast" lies outside."""
        return self.low > 1 or self.high < 1


def ratio_interval(log_ratios: np.ndarray) -> Interval:
    """The geometric mean of the ratios of pairs with its 95 % interval (Student's t); `log_ratios` float64 (pairs,).

    One pair has no interval: it is infinite.
    """
    from scipy.special import stdtrit

    values = np.asarray(log_ratios, dtype=np.float64)
    mean, half = values.mean(), np.inf
    if len(values) > 1:
        half = stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2) * values.std(ddof=1) / np.sqrt(len(values))
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
