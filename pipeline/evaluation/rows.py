"""`Row`: one optimization in a comparison, as table and metrics need it; read from MLflow or just measured.

A row has no samples: what it says of a ratio's uncertainty are the bounds that its run carries.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from pipeline.evaluation.metrics import BOUNDS
from pipeline.evaluation.statistics import Interval

MAX_DECIMALS = 4  # MLflow has five digits


@dataclass(frozen=True)
class Row:
    """One optimization in a comparison: its newest run's final metrics."""

    optim: str
    metrics: dict[str, float]
    run_id: str = ""
    is_baseline: bool = False
    settings: str = ""  # what a sweep varies besides optimization and seed
    seed: int | None = None
    spread: dict[str, float] = field(default_factory=dict)  # standard deviation over seeds (ddof 1), where there are several
    count: int = 1  # runs it is the mean of
    verdict: str = ""  # see `pipeline.evaluation.statistics.verdict`; of the baseline and of a mean there is none
    contended: str = ""  # why the machine was too busy to trust the latencies, where it was
    measured_at: str = ""  # date and time, where the measurement is one of before that was used again

    @property
    def name(self) -> str:
        """What it is called in a table or plot."""
        return f"{self.optim} {self.settings}".strip() + (f" ({self.count} seeds)" if self.count > 1 else "")

    def interval(self, key: str = "delta/speedup") -> Interval | None:
        """A ratio with its bounds; None for the baseline, for a mean over seeds, and where the run has no bounds."""
        value, low, high = (self.metrics.get(key + bound) for bound in ("", *BOUNDS))
        if self.is_baseline or value is None or low is None or high is None:
            return None
        return Interval(value, low, high)

    def ratio(self, key: str = "delta/speedup") -> str:
        """As text: `2.05x [2.01, 2.09]`, over seeds `2.05x ±0.04`, without bounds `2.05x`; "-" where there is no ratio."""
        interval, value = self.interval(key), self.metrics.get(key)
        if value is None:
            return "-"
        if interval is None:
            return f"{value:.2f}x" + (f" ±{self.spread[key]:.2f}" if key in self.spread and not self.is_baseline else "")
        decimals = _decimals(interval)
        return f"{value:.{decimals}f}x [{interval.low:.{decimals}f}, {interval.high:.{decimals}f}]"


def _decimals(interval: Interval) -> int:
    """Two, or as many as show the interval's width, and that it excludes 1 where it does."""
    decimals = max(2, math.ceil(-math.log10(max(interval.high - interval.low, 10**-MAX_DECIMALS))))
    while interval.excludes_1 and decimals < MAX_DECIMALS and round(_nearest_1(interval), decimals) == 1:
        decimals += 1
    return decimals


def _nearest_1(interval: Interval) -> float:
    return min(interval.low, interval.high, key=lambda bound: abs(bound - 1))


def averaged(rows: Iterable[Row]) -> list[Row]:
    """Rows that differ only in their seed as one: the mean of each metric, and its spread.

    The bounds of single runs say nothing of the mean, so it has neither bounds nor a verdict.
    """
    groups: dict[tuple[str, str, bool], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.optim, row.settings, row.is_baseline), []).append(row)
    return [row for group in groups.values() for row in _means(group)]


def _means(rows: list[Row]) -> list[Row]:
    if len(rows) == 1 or len({row.seed for row in rows}) < len(rows):  # what has the same seed differs in something else
        return rows
    shared = [key for key in rows[0].metrics if all(key in row.metrics for row in rows) and not key.endswith(BOUNDS)]
    values = {key: np.array([row.metrics[key] for row in rows]) for key in shared}
    means = {key: float(value.mean()) for key, value in values.items()}
    spread = {key: float(value.std(ddof=1)) for key, value in values.items()}
    one = replace(rows[0], metrics=means, run_id="", spread=spread, count=len(rows))
    return [replace(one, verdict="", contended=_contended(rows))]


def _contended(rows: list[Row]) -> str:
    reasons = [row.contended for row in rows if row.contended]
    return f"in {len(reasons)} of {len(rows)} runs: {'; '.join(dict.fromkeys(reasons))}" if reasons else ""


def order(rows: Iterable[Row]) -> list[Row]:
    """The baseline first, then the slowest to the fastest."""
    return sorted(rows, key=lambda row: (not row.is_baseline, -row.metrics["latency/p50_ms"], row.optim))
