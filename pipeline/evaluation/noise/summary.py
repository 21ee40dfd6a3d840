"""The metrics of a classifier's measurements against itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.config import Measure
from pipeline.evaluation.latency.pairs import MIN_PAIRS, reason_to_stop
from pipeline.evaluation.latency.samples import Pair, speedup
from pipeline.evaluation.noise.repeat import Repetition
from pipeline.evaluation.quality.intervals import wilson
from pipeline.evaluation.statistics import EQUIVALENT, FASTER, INCONCLUSIVE, SLOWER, Interval, ratio_interval, verdict

VERDICTS = (FASTER, SLOWER, EQUIVALENT, INCONCLUSIVE)
ALLOWED = 0.05  # the share of 95 % intervals that may miss the truth


@dataclass(frozen=True)
class PairCountResult:
    """The results of measurements that stopped after the same number of pairs."""

    pairs: int
    seconds: float  # the median time of so many pairs
    width: float  # the median width of the intervals, a share
    excluded: int  # intervals that exclude 1
    repetitions: int  # with so many pairs

    @property
    def share(self) -> float:
        """The share of the intervals that exclude 1."""
        return self.excluded / self.repetitions


@dataclass(frozen=True)
class Findings:
    """Measurements of an optimization against itself; `slowdown` was added to the candidate's times on purpose."""

    optim: str
    settings: Measure
    slowdown: float
    repetitions: tuple[Repetition, ...]

    @cached_property
    def ordinary_pairs(self) -> list[tuple[Pair, ...]]:
        """For each repetition, the pairs of an ordinary measurement, which stops earlier."""
        return [_until_stop(repetition.pairs, self.settings) for repetition in self.repetitions]

    @cached_property
    def intervals(self) -> list[Interval]:
        """The speed-up that an ordinary measurement would have found, for each repetition."""
        return [speedup(pairs) for pairs in self.ordinary_pairs]

    @property
    def truth(self) -> float:
        """The true speed-up."""
        return 1 / (1 + self.slowdown)

    @property
    def as_configured(self) -> PairCountResult:
        """Ordinary measurements: pairs until the precision is reached or the time is up."""
        return _result(self.ordinary_pairs, self.intervals)

    @cached_property
    def by_pair_count(self) -> list[PairCountResult]:
        """The results after 2, 3, ... pairs, as long as at least half of the repetitions have so many."""
        found = []
        for count in range(MIN_PAIRS, max(len(repetition.pairs) for repetition in self.repetitions) + 1):
            reached = [item.pairs[:count] for item in self.repetitions if len(item.pairs) >= count]
            if 2 * len(reached) >= len(self.repetitions):
                found.append(_result(reached, [speedup(pairs) for pairs in reached]))
        return found

    def verdicts(self) -> dict[str, int]:
        """How often each verdict was given."""
        verdicts = [verdict(interval, self.settings.margin) for interval in self.intervals]
        return {name: verdicts.count(name) for name in VERDICTS}

    def excluded_between(self) -> tuple[float, float]:
        """95 % confidence interval (Wilson's) of the share of intervals that exclude 1."""
        whole = self.as_configured
        found = wilson(whole.excluded, whole.repetitions)
        return found.low, found.high

    def order_effect(self) -> Interval:
        """The speed-up of the process that was started second: half the difference between both orders."""
        values, first = self._values()
        return ratio_interval(np.where(first, -values, values))

    def _between_pairs(self) -> dict[str, float]:
        """Standard deviation of a pair's log ratio without the effect of the starting order; {} with fewer than 3 pairs."""
        values, first = self._values()
        if len(values) < 3:
            return {}
        rest = np.concatenate([values[side] - values[side].mean() for side in (first, ~first)])
        return {"noise/between_pairs_sd": float(np.sqrt((rest**2).sum() / (len(rest) - 2)))}

    def _values(self) -> tuple[np.ndarray, np.ndarray]:
        pairs = [pair for repetition in self.repetitions for pair in repetition.pairs]
        return np.array([pair.median_log_ratio for pair in pairs]), np.array([pair.candidate_first for pair in pairs])

    def metrics(self) -> dict[str, float]:
        """The metrics by MLflow name: shares, except for counts and names with a unit."""
        whole, order, (values, _) = self.as_configured, self.order_effect(), self._values()
        low, high = self.excluded_between()
        return {
            "noise/repetitions": float(whole.repetitions),
            "noise/excludes_1": whole.share, "noise/excludes_1_low": low, "noise/excludes_1_high": high,
            "noise/excludes_1_count": float(whole.excluded),
            "noise/width": whole.width,
            "noise/pairs": float(whole.pairs),
            "noise/seconds": whole.seconds,
            "noise/bias_percent": 100 * (ratio_interval(values).value / self.truth - 1),
            **self._between_pairs(),
            "noise/order_effect": order.value - 1,
            "noise/order_effect_low": order.low - 1, "noise/order_effect_high": order.high - 1,
            "noise/parent_cpu": float(np.mean([item.conditions.own_cpu_share for item in self.repetitions])),
            "noise/contended_count": float(sum(bool(item.contended) for item in self.repetitions)),
            **{f"noise/{name}_count": float(count) for name, count in self.verdicts().items()},
        }  # fmt: skip


def _until_stop(pairs: tuple[Pair, ...], settings: Measure) -> tuple[Pair, ...]:
    stops = (n for n in range(MIN_PAIRS, len(pairs)) if reason_to_stop(pairs[:n], settings.precision, settings.max_seconds))
    return pairs[: next(stops, len(pairs))]


def _result(taken: Sequence[tuple[Pair, ...]], intervals: Sequence[Interval]) -> PairCountResult:
    return PairCountResult(
        pairs=int(np.median([len(pairs) for pairs in taken])),
        seconds=float(np.median([pairs[-1].elapsed_s for pairs in taken])),
        width=float(np.median([interval.width for interval in intervals])),
        excluded=sum(interval.excludes_1 for interval in intervals),
        repetitions=len(taken),
    )
