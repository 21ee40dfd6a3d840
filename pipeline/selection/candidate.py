"""`Candidate`: one optimization with its runs, one for each seed, and its metrics with bounds."""

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from pipeline.evaluation.evidence import Evidence
from pipeline.evaluation.metrics import HEADLINES, METRICS, validation_key
from pipeline.evaluation.rows import Row
from pipeline.evaluation.statistics import CONFIDENCE, Interval
from pipeline.selection.seeds import over_seeds

RANKING = tuple(validation_key(f"quality/{name}") for name in HEADLINES)  # the first that a run has ranks its seeds


@dataclass(frozen=True)
class Candidate:
    """One optimization with the settings of its runs."""

    rows: tuple[Row, ...]  # one for each seed, in the order of the seeds
    evidence: tuple[Evidence, ...] = ()  # of these runs, in the same order; (): none was loaded

    @property
    def name(self) -> str:
        """Its name, with settings and the number of seeds."""
        seeds = f" ({len(self.rows)} seeds)" if len(self.rows) > 1 else ""
        return f"{self.rows[0].optim} {self.rows[0].settings}".strip() + seeds

    @property
    def is_baseline(self) -> bool:
        """Whether it is the baseline."""
        return self.rows[0].is_baseline

    def is_baseline_of(self, other: "Candidate") -> bool:
        """Whether it is the baseline that another candidate was compared with."""
        return self.is_baseline and not {row.comparable for row in self.rows}.isdisjoint(
            row.comparable for row in other.rows
        )

    def metric(self, key: str) -> Interval | None:
        """A metric of the registry with its bounds; None where a run lacks it.

        The bounds are infinite if the metric should have bounds and a run has none (it measured one pair, or is older than
        the bounds). Over seeds the value is the mean. Where the runs have evidence, texts (or pairs) and seeds are drawn
        together (see `over_seeds`). Else the bounds add the uncertainty from the queries and the differences between seeds
        (Student's t) as squares, as for macro F1: too wide, because what differs by seed and query is in both.
        """
        metric = METRICS[key]
        own = metric.baseline_value
        if self.is_baseline and own is not None and all("quality/accuracy" in row.metrics for row in self.rows):
            return Interval(own, own, own)
        if any(key not in row.metrics for row in self.rows):
            return None
        values = np.array([row.metrics[key] for row in self.rows])
        below, above = (
            np.array(
                [abs(row.metrics.get(key + bound, value) - value) for row, value in zip(self.rows, values, strict=True)]
            )
            for bound in ("_low", "_high")
        )
        together = over_seeds(key, self.evidence) if len(self.evidence) == len(self.rows) > 1 else None
        if together is not None:
            return together
        mean, count, seeds = float(values.mean()), len(values), 0.0
        if metric.interval and any(key + "_low" not in row.metrics for row in self.rows):
            return Interval(mean, -np.inf, np.inf)
        if count > 1:
            seeds = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2) * values.std(ddof=1) / np.sqrt(count))
        low, high = (float(np.hypot(seeds, np.sqrt((half**2).mean()))) for half in (below, above))
        return Interval(mean, mean - low, mean + high)

    def best_run(self) -> Row:
        """The run whose classifier is shipped: the seed with the best validation accuracy (micro F1), then the first.

        It is that of the artifact, after quantization and with its rule, not a point of the training's curve.
        """
        key = next((name for name in RANKING if name in self.rows[0].metrics), RANKING[-1])
        return max(self.rows, key=lambda row: (row.metrics.get(key, 0.0), -(row.seed or 0)))
