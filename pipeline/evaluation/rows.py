"""`Row`: one optimization in a comparison, read from MLflow or just measured.

A row has no samples. The uncertainty of a ratio comes from the bounds that the run logged.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from pipeline.evaluation.metrics import BOUNDS, LATENCY
from pipeline.evaluation.statistics import Interval

MAX_DECIMALS = 4  # MLflow shows five digits


@dataclass(frozen=True)
class Row:
    """One optimization in a comparison: the final metrics of its newest run."""

    optim: str
    metrics: dict[str, float]
    run_id: str = ""
    is_baseline: bool = False
    settings: str = ""  # what a sweep varied besides optimization and seed
    seed: int | None = None
    std: dict[str, float] = field(default_factory=dict)  # standard deviation over several seeds (ddof 1)
    count: int = 1  # number of runs in this mean
    verdict: str = ""  # see `pipeline.evaluation.statistics.verdict`; "" for the baseline and for a mean
    contended: str = ""  # why the latencies are doubtful; "" where the machine was quiet
    measured_at: str = ""  # date and time of a reused measurement, else ""
    comparable: str = field(default="", compare=False)  # tag that it shares with its baseline; "" where it was just measured

    @property
    def name(self) -> str:
        """Its name in tables and plots."""
        return f"{self.optim} {self.settings}".strip() + (f" ({self.count} seeds)" if self.count > 1 else "")

    def interval(self, key: str = "delta/speedup") -> Interval | None:
        """A ratio with its bounds; None for the baseline, a mean over seeds, or a run without bounds."""
        value, low, high = (self.metrics.get(key + bound) for bound in ("", *BOUNDS))
        if self.is_baseline or value is None or low is None or high is None:
            return None
        return Interval(value, low, high)

    def ratio(self, key: str = "delta/speedup") -> str:
        """A ratio as text: `2.05x [2.01, 2.09]`, over seeds `2.05x ±0.04`, without bounds `2.05x`, "-" without a ratio."""
        interval, value = self.interval(key), self.metrics.get(key)
        if value is None:
            return "-"
        if interval is None:
            return f"{value:.2f}x" + (f" ±{self.std[key]:.2f}" if key in self.std and not self.is_baseline else "")
        decimals = _decimals(interval)
        return f"{value:.{decimals}f}x [{interval.low:.{decimals}f}, {interval.high:.{decimals}f}]"


def _decimals(interval: Interval) -> int:
    """Two decimals, or as many as needed to show the interval's width, and that it excludes 1."""
    decimals = max(2, math.ceil(-math.log10(max(interval.high - interval.low, 10**-MAX_DECIMALS))))
    while interval.excludes_1 and decimals < MAX_DECIMALS and round(_nearest_1(interval), decimals) == 1:
        decimals += 1
    return decimals


def _nearest_1(interval: Interval) -> float:
    return min(interval.low, interval.high, key=lambda bound: abs(bound - 1))


def averaged(rows: Iterable[Row]) -> list[Row]:
    """Replace rows that differ only in their seed by one row: the mean and standard deviation of each metric.

    The bounds of single runs do not apply to the mean, so a mean has neither bounds nor a verdict.
    """
    groups: dict[tuple[str, str, bool], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.optim, row.settings, row.is_baseline), []).append(row)
    return [row for group in groups.values() for row in _means(group)]


def _means(rows: list[Row]) -> list[Row]:
    if len(rows) == 1 or len({row.seed for row in rows}) < len(rows):  # rows with the same seed differ in something else
        return rows
    shared = [key for key in rows[0].metrics if all(key in row.metrics for row in rows) and not key.endswith(BOUNDS)]
    values = {key: np.array([row.metrics[key] for row in rows]) for key in shared}
    means = {key: float(value.mean()) for key, value in values.items()}
    std = {key: float(value.std(ddof=1)) for key, value in values.items()}
    mean = replace(rows[0], metrics=means, run_id="", std=std, count=len(rows))
    return [replace(mean, verdict="", contended=_contended(rows))]


def _contended(rows: list[Row]) -> str:
    reasons = [row.contended for row in rows if row.contended]
    return f"in {len(reasons)} of {len(rows)} runs: {'; '.join(dict.fromkeys(reasons))}" if reasons else ""


def order(rows: Iterable[Row]) -> list[Row]:
    """The baseline first, then the slowest to the fastest, by the speed-up, for which both were measured in turns.

    Without a speed-up, the mean times of a call stand for it; they may be of different minutes.
    """
    found = list(rows)
    baseline = next((row.metrics[LATENCY] for row in found if row.is_baseline), 1.0)

    def speedup(row: Row) -> float:
        return row.metrics.get("delta/speedup", baseline / row.metrics[LATENCY])

    return sorted(found, key=lambda row: (not row.is_baseline, speedup(row), row.optim))
