"""An optimization as the evidence shows it: its runs, one a seed, each metric with its bounds."""

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from pipeline.evaluation.metrics import METRICS
from pipeline.evaluation.rows import Row
from pipeline.evaluation.statistics import CONFIDENCE, Interval


@dataclass(frozen=True)
class Candidate:
    """One optimization, with the settings it was run with."""

    rows: tuple[Row, ...]  # one a seed, in their order

    @property
    def name(self) -> str:
        """What it is called."""
        seeds = f" ({len(self.rows)} seeds)" if len(self.rows) > 1 else ""
        return f"{self.rows[0].optim} {self.rows[0].settings}".strip() + seeds

    @property
    def is_baseline(self) -> bool:
        """Whether the others are compared with it."""
        return self.rows[0].is_baseline

    def metric(self, key: str) -> Interval | None:
        """A metric of the registry with its bounds; None where a run lacks it. One that should have bounds and has none in
        a run (it measured one pair, or was made before they were) may be anything.

        Over seeds it is their mean. Its bounds hold both what the test queries leave open and how much seeds differ
        (Student's t), added as independent errors are: by their squares.
        """
        metric = METRICS[key]
        same = metric.baseline_value
        if self.is_baseline and same is not None and all("quality/accuracy" in row.metrics for row in self.rows):
            return Interval(same, same, same)
        if any(key not in row.metrics for row in self.rows):
            return None
        values = np.array([row.metrics[key] for row in self.rows])
        below, above = (
            np.array(
                [abs(row.metrics.get(key + bound, value) - value) for row, value in zip(self.rows, values, strict=True)]
            )
            for bound in ("_low", "_high")
        )
        mean, count, seeds = float(values.mean()), len(values), 0.0
        if metric.interval and any(key + "_low" not in row.metrics for row in self.rows):
            return Interval(mean, -np.inf, np.inf)
        if count > 1:
            seeds = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2) * values.std(ddof=1) / np.sqrt(count))
        low, high = (float(np.hypot(seeds, np.sqrt((half**2).mean()))) for half in (below, above))
        return Interval(mean, mean - low, mean + high)

    def best_run(self) -> Row:
        """The run whose classifier is shipped: of several seeds that with the best validation accuracy, then the first."""
        return max(self.rows, key=lambda row: (row.metrics.get("training/validation_accuracy", 0.0), -(row.seed or 0)))
