"""Latencies in milliseconds for a decision: the ratio to the baseline times the baseline's latency, pooled over all runs.

The milliseconds of a run hold for the minutes in which it was measured; later the same network may take 30 % longer. The
ratio to the baseline was measured in turns and stays. So all candidates are judged in milliseconds of one common baseline.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from pipeline.evaluation.metrics import METRICS
from pipeline.evaluation.statistics import Interval
from pipeline.selection.candidate import Candidate


@dataclass(frozen=True)
class Paired:
    """A latency in milliseconds that has a paired ratio."""

    ratio: str  # the metric: how many times as fast as the baseline
    of_process: Callable[[np.ndarray], float]  # the latency of one process from its calls, in ms


PAIRED = {"latency/p95_ms": Paired("delta/speedup_p95", lambda ms: float(np.percentile(ms, 95)))}


@dataclass(frozen=True)
class BaselineLatency:
    """The baseline's processes, by the run that was compared with them."""

    runs: tuple[tuple[np.ndarray, ...], ...] = ()  # each array float64 (calls,), in ms

    @classmethod
    def of(cls, candidates: Sequence[Candidate]) -> "BaselineLatency":
        """Those of all pairs of the candidates; if there are none, the baseline's own."""
        found = [(each.is_baseline, run.baseline_ms) for each in candidates for run in each.evidence if run.baseline_ms]
        others = tuple(ms for own, ms in found if not own)
        return cls(others or tuple(ms for _, ms in found))

    def by_run(self, key: str) -> list[float]:
        """The latency in each run: the geometric mean over its processes, as the ratio is one of ratios."""
        return [float(np.exp(np.mean(np.log([PAIRED[key].of_process(ms) for ms in run])))) for run in self.runs]

    def pooled(self, key: str) -> float:
        """The geometric mean over all processes."""
        return float(np.exp(np.mean(np.log([PAIRED[key].of_process(ms) for run in self.runs for ms in run]))))

    def judges(self, key: str) -> bool:
        """Whether a metric is judged this way."""
        return key in PAIRED and bool(self.runs)

    def latency(self, candidate: Candidate, key: str) -> Interval | None:
        """A candidate's latency in ms; its bounds are those of the ratio. None where the ratio was not measured."""
        ratio = candidate.metric(PAIRED[key].ratio)
        if ratio is None:
            return None
        low = self.pooled(key) / ratio.high if np.isfinite(ratio.high) else -inf
        return Interval(self.pooled(key) / ratio.value, low, self.pooled(key) / ratio.low if ratio.low > 0 else inf)

    def note(self, key: str) -> str:
        """What a bound on this metric means."""
        metric = METRICS[key]
        label = metric.constraint.label if metric.constraint is not None else key
        if not self.judges(key):
            return f"{label} is in milliseconds of the minutes in which each run was measured"
        runs = self.by_run(key)
        count = "1 run" if len(runs) == 1 else f"{len(runs)} runs, by run {min(runs):.2f} to {max(runs):.2f}"
        return (
            f"{label} is the ratio to the baseline, measured in turns, times the baseline's {self.pooled(key):.2f} ms (over "
            f"{count}): milliseconds of this machine as it was then; on another day the ratio stays, they may not"
        )
