"""The metrics of a classifier's measurements against itself, and against the baseline."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.config import Measure
from pipeline.evaluation.latency.pairs import MIN_PAIRS, reason_to_stop
from pipeline.evaluation.latency.samples import Pair, speedup
from pipeline.evaluation.noise.repeat import Repetition
from pipeline.evaluation.noise.sessions import BetweenSessions, between_sessions
from pipeline.evaluation.quality.intervals import wilson
from pipeline.evaluation.statistics import (
    CONFIDENCE,
    EQUIVALENT,
    FASTER,
    INCONCLUSIVE,
    SLOWER,
    Interval,
    verdict,
)

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
    """Measurements of an optimization against itself; `slowdown` was added to the candidate's times on purpose.

    It was also measured against the baseline, in `against_baseline`, unless it is the baseline or was slowed.
    """

    optim: str
    settings: Measure
    slowdown: float
    repetitions: tuple[Repetition, ...]
    baseline: str = ""
    against_baseline: tuple[Repetition, ...] = ()

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
        """The results after 3, 4, ... pairs, as long as at least half of the repetitions have so many."""
        found = []
        for count in range(MIN_PAIRS, max(len(repetition.pairs) for repetition in self.repetitions) + 1):
            reached = [item.pairs[:count] for item in self.repetitions if len(item.pairs) >= count]
            if 2 * len(reached) >= len(self.repetitions):
                found.append(_result(reached, [speedup(pairs) for pairs in reached]))
        return found

    @property
    def contended_count(self) -> int:
        """Repetitions in which the machine was busy with other work during one of the sessions."""
        others = self.against_baseline or self.repetitions
        return sum(bool(one.contended or other.contended) for one, other in zip(self.repetitions, others, strict=True))

    def verdicts(self) -> dict[str, int]:
        """How often each verdict was given."""
        verdicts = [verdict(interval, self.settings.margin) for interval in self.intervals]
        return {name: verdicts.count(name) for name in VERDICTS}

    def excluded_between(self) -> tuple[float, float]:
        """95 % confidence interval (Wilson's) of the share of intervals that exclude 1."""
        whole = self.as_configured
        found = wilson(whole.excluded, whole.repetitions)
        return found.low, found.high

    @cached_property
    def between_sessions(self) -> BetweenSessions | None:
        """The variation of the speed-up over the baseline from session to session; None with fewer than three sessions."""
        return between_sessions([np.array([pair.log_ratio for pair in item.pairs]) for item in self.against_baseline])

    def order_effect(self) -> Interval:
        """The speed-up of the process that was started second, with its 95 % confidence interval (Student's t).

        It is half the difference between both orders, so neither a slowdown nor unequal numbers of both orders change it.
        """
        from scipy.special import stdtrit

        second, first = self._by_order()
        effect = (second.mean() - first.mean()) / 2
        error = self._between_pairs_sd() / 2 * np.sqrt(1 / len(second) + 1 / len(first))
        half = stdtrit(len(second) + len(first) - 2, (1 + CONFIDENCE) / 2) * error
        return Interval(float(np.exp(effect)), float(np.exp(effect - half)), float(np.exp(effect + half)))

    def _bias(self) -> float:
        """The measured speed-up as a share of the true one, minus 1; both orders count alike."""
        second, first = self._by_order()
        return float(np.exp((second.mean() + first.mean()) / 2) / self.truth - 1)

    def _between_pairs_sd(self) -> float:
        """Standard deviation of a pair's log ratio without the effect of the starting order."""
        rest = np.concatenate([values - values.mean() for values in self._by_order()])
        return float(np.sqrt((rest**2).sum() / (len(rest) - 2)))

    def _by_order(self) -> tuple[np.ndarray, np.ndarray]:
        """Log ratios of the pairs whose candidate was started second, and first. A session has pairs of both."""
        pairs = [pair for repetition in self.repetitions for pair in repetition.pairs]
        values, first = np.array([pair.log_ratio for pair in pairs]), np.array([pair.candidate_first for pair in pairs])
        return values[~first], values[first]

    def metrics(self) -> dict[str, float]:
        """The metrics by MLflow name: shares, except for counts and names with a unit."""
        whole, order, between = self.as_configured, self.order_effect(), self.between_sessions
        low, high = self.excluded_between()
        return {
            "noise/repetitions": float(whole.repetitions),
            "noise/excludes_1": whole.share, "noise/excludes_1_low": low, "noise/excludes_1_high": high,
            "noise/excludes_1_count": float(whole.excluded),
            "noise/width": whole.width,
            "noise/pairs": float(whole.pairs),
            "noise/seconds": whole.seconds,
            "noise/bias_percent": 100 * self._bias(),
            "noise/between_pairs_sd": self._between_pairs_sd(),
            **(between.metrics() if between is not None else {}),
            "noise/order_effect": order.value - 1,
            "noise/order_effect_low": order.low - 1, "noise/order_effect_high": order.high - 1,
            "noise/parent_cpu": float(np.mean([item.conditions.own_cpu_share for item in self.repetitions])),
            "noise/contended_count": float(self.contended_count),
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
