"""Statistics of paired latencies: the confidence interval of a speed-up over pairs of fresh processes, and the verdict.

Times vary on two levels: from call to call within a process, and between processes of the same program, because each has a
different memory layout (Kalibera and Jones, *Rigorous benchmarking in reasonable time*, ISMM 2013). The calls of one pair of
processes contain no information about the second level. So each pair gives one value, and the interval is computed over
these values: their variance contains both levels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95
FASTER, SLOWER, EQUIVALENT, INCONCLUSIVE = "faster", "slower", "equivalent", "inconclusive"


@dataclass(frozen=True)
class Interval:
    """A ratio, a share or a difference with its 95 % confidence interval."""

    value: float
    low: float
    high: float

    def hull(self, other: "Interval") -> "Interval":
        """This value with the wider bounds of both intervals."""
        return Interval(self.value, min(self.low, other.low), max(self.high, other.high))

    def scaled(self, factor: float) -> "Interval":
        """The same in another unit; `factor` is positive."""
        return Interval(factor * self.value, factor * self.low, factor * self.high)

    def at_least(self, other: "Interval") -> "Interval":
        """This value with bounds that are at least as far away as those of another interval from its value."""
        below, above = other.value - other.low, other.high - other.value
        return self.hull(Interval(self.value, self.value - below, self.value + above))

    def bounds(self) -> dict[str, float]:
        """The bounds, by the suffixes of their metric names."""
        return {"_low": self.low, "_high": self.high}

    @property
    def width(self) -> float:
        """The width of a ratio's interval as a share of the value; 0.03 is about ±1.5 %."""
        return (self.high - self.low) / self.value

    @property
    def excludes_1(self) -> bool:
        """Whether 1, which means equally fast, lies outside the interval of a ratio."""
        return self.low > 1 or self.high < 1


def ratio_interval(log_ratios: np.ndarray) -> Interval:
    """The geometric mean of ratios with its 95 % confidence interval (Student's t); `log_ratios` float64 (pairs,).

    With one pair the interval is infinite.
    """
    from scipy.special import stdtrit

    values = np.asarray(log_ratios, dtype=np.float64)
    mean, half = values.mean(), np.inf
    if len(values) > 1:
        half = stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2) * values.std(ddof=1) / np.sqrt(len(values))
    with np.errstate(over="ignore"):
        return Interval(float(np.exp(mean)), float(np.exp(mean - half)), float(np.exp(mean + half)))


def verdict(interval: Interval, margin: float) -> str:
    """The verdict on a speed-up: equivalent, faster, slower or inconclusive.

    equivalent: the whole interval is within `margin` of 1 (0.02 means from 1/1.02 to 1.02). faster, slower: the interval is
    not within the margin, and excludes 1. inconclusive: neither, so more pairs are needed.
    """
    if interval.low >= 1 / (1 + margin) and interval.high <= 1 + margin:
        return EQUIVALENT
    if interval.excludes_1:
        return FASTER if interval.low > 1 else SLOWER
    return INCONCLUSIVE


def difference_interval(first: np.ndarray, second: np.ndarray) -> Interval:
    """The difference of two means, first - second, with its 95 % confidence interval; each float64 (n,), n at least 2.

    The variances may differ (Welch, Biometrika 34, 1947). Values without any variance count as known exactly.
    """
    from scipy.special import stdtrit

    value = float(first.mean() - second.mean())
    shares = np.array([values.var(ddof=1) / len(values) for values in (first, second)])
    if not shares.sum():
        return Interval(value, value, value)
    freedom = shares.sum() ** 2 / (shares**2 / np.array([len(first) - 1, len(second) - 1])).sum()
    half = float(stdtrit(freedom, (1 + CONFIDENCE) / 2) * np.sqrt(shares.sum()))
    return Interval(value, value - half, value + half)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values of several tests after Holm's correction (Scandinavian Journal of Statistics 6, 1979), in their order.

    If those below 0.05 are called significant, one or more of them is so by chance in at most 5 % of such tables.
    """
    order, largest = sorted(range(len(p_values)), key=lambda i: p_values[i]), 0.0
    corrected = [0.0] * len(p_values)
    for place, i in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[i]))
        corrected[i] = largest
    return corrected


def p_value_of(ratio: Interval, values: int) -> float:
    """The two-sided p-value of the ratio 1 for an interval of `ratio_interval` over so many values."""
    from scipy.special import stdtr, stdtrit

    error = float(np.log(ratio.high) - np.log(ratio.value)) / stdtrit(values - 1, (1 + CONFIDENCE) / 2)
    return float(2 * stdtr(values - 1, -abs(np.log(ratio.value)) / error)) if error > 0 else float(ratio.value == 1)
