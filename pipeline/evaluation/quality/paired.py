"""`PairedQuality`: the differences in quality between candidate and baseline on the same queries."""

from dataclasses import dataclass

import numpy as np

from pipeline.evaluation.quality.intervals import bootstrap, mcnemar, tango, wilson
from pipeline.evaluation.quality.weighted import weighted
from pipeline.evaluation.statistics import Interval
from pipeline.tasks.single_label import fixed_parts, parts


@dataclass(frozen=True)
class PairedQuality:
    """Differences candidate - baseline with intervals; shares from -1 to 1."""

    differences: dict[str, Interval]  # by metric, see `pipeline.evaluation.quality.weighted`
    flips: dict[str, tuple[int, int]]  # gained and lost queries, for each share of a fixed set of queries
    agreement: float  # share of the queries with the same answer

    def metrics(self) -> dict[str, float]:
        """Metrics by MLflow name: differences in percentage points, p-values of exact McNemar tests, flips, agreement."""
        points = {
            f"delta/{name}_pp{bound}": 100 * value
            for name, difference in self.differences.items()
            for bound, value in {"": difference.value, **difference.bounds()}.items()
        }
        tests = {f"delta/{name}_mcnemar_p": mcnemar(*flips) for name, flips in self.flips.items()}
        gained, lost = self.flips["accuracy"]
        return {
            **points,
            **tests,
            "delta/gained": float(gained),
            "delta/lost": float(lost),
            "delta/agreement": self.agreement,
        }


def compare(baseline: np.ndarray, candidate: np.ndarray, truth: np.ndarray, labels: int, oos: int | None) -> PairedQuality:
    """Compare two predictions with `truth`; all int64 (n,), label indices of the same queries in the same order.

    The bounds come from the paired bootstrap. For shares of a fixed set of queries they are widened to Tango's interval:
    with few flips the bootstrap's interval is too narrow, and without flips it has no width.
    """
    before, after = baseline == truth, candidate == truth

    def changes(weights: np.ndarray) -> dict[str, np.ndarray]:
        old, new = (weighted(weights, predicted, truth, labels, oos) for predicted in (baseline, candidate))
        return {name: new[name] - old[name] for name in old}

    differences, flips = bootstrap(len(truth), changes), {}
    for name, mask in fixed_parts(truth, oos).items():
        if name in differences:
            flips[name] = int((after & ~before & mask).sum()), int((before & ~after & mask).sum())
            differences[name] = differences[name].hull(tango(*flips[name], int(mask.sum())))
    return PairedQuality(differences, flips, float((baseline == candidate).mean()))


def estimate(predicted: np.ndarray, truth: np.ndarray, labels: int, oos: int | None) -> dict[str, Interval]:
    """Each metric of one classifier with bootstrap bounds; those of shares are widened to Wilson's interval."""
    found = bootstrap(len(truth), lambda weights: weighted(weights, predicted, truth, labels, oos))
    for name, mask in parts(truth, predicted, oos).items():
        if name in found:
            found[name] = found[name].hull(wilson(int(((predicted == truth) & mask).sum()), int(mask.sum())))
    return found
