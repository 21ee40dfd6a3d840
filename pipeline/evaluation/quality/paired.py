"""`PairedQuality`: how a candidate's quality differs from the baseline's on the same queries, metric by metric."""

from dataclasses import dataclass

import numpy as np

from pipeline.evaluation.quality.intervals import bootstrap, mcnemar, tango, wilson
from pipeline.evaluation.quality.weighted import weighted
from pipeline.evaluation.statistics import Interval
from pipeline.tasks.single_label import fixed_parts, parts


@dataclass(frozen=True)
class PairedQuality:
    """Intervals candidate - baseline; shares from -1 to 1."""

    differences: dict[str, Interval]  # by metric, see `pipeline.evaluation.quality.weighted`
    flips: dict[
        str, tuple[int, int]
    ]  # of the shares of fixed queries: those that only the candidate, only the baseline has right
    agreement: float  # share of the queries for which both say the same

    def metrics(self) -> dict[str, float]:
        """By their names in MLflow; differences in percentage points, p-values of exact McNemar tests."""
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
    """Both int64 (n,), as is `truth`: indices of labels, for the same queries in the same order.

    A difference's bounds are those of the paired bootstrap; for shares of a fixed set of queries they are widened to
    those of Tango's interval: where few queries differ the bootstrap is too sure, and where none does, certain.
    """
    before, after = baseline == truth, candidate == truth

    def changes(weights: np.ndarray) -> dict[str, np.ndarray]:
        old, new = (weighted(weights, said, truth, labels, oos) for said in (baseline, candidate))
        return {name: new[name] - old[name] for name in old}

    differences, flips = bootstrap(len(truth), changes), {}
    for name, of in fixed_parts(truth, oos).items():
        if name in differences:
            flips[name] = int((after & ~before & of).sum()), int((before & ~after & of).sum())
            differences[name] = differences[name].hull(tango(*flips[name], int(of.sum())))
    return PairedQuality(differences, flips, float((baseline == candidate).mean()))


def estimate(predicted: np.ndarray, truth: np.ndarray, labels: int, oos: int | None) -> dict[str, Interval]:
    """Each metric of one classifier with its bounds: those of the bootstrap, of shares widened to Wilson's interval."""
    found = bootstrap(len(truth), lambda weights: weighted(weights, predicted, truth, labels, oos))
    for name, of in parts(truth, predicted, oos).items():
        if name in found:
            found[name] = found[name].hull(wilson(int(((predicted == truth) & of).sum()), int(of.sum())))
    return found
