"""Metrics over several seeds, with intervals from the answers and the pairs of each (see `evaluation.quality.seeds`)."""

from collections.abc import Callable, Sequence

import numpy as np

from pipeline.evaluation.evidence import Answered, Evidence
from pipeline.evaluation.metrics import validation_key
from pipeline.evaluation.quality.seeds import change_over_seeds, ratio_over_seeds, share_over_seeds
from pipeline.evaluation.statistics import Interval

Split = Callable[[Evidence], Answered | None]


def over_seeds(key: str, runs: Sequence[Evidence]) -> Interval | None:
    """A metric over at least two seeds; None where it is another one, or where the runs lack what it needs."""
    splits: dict[str, Split] = {"": lambda run: run.test, "validation": lambda run: run.validation}
    for split, answered in splits.items():
        share, change = (validation_key(name) if split else name for name in ("quality/accuracy", "delta/accuracy_pp"))
        if key in (share, change):
            return _of_answers([answered(run) for run in runs], key == change)
    if key == "delta/speedup" and all(len(run.log_ratios) for run in runs):
        return ratio_over_seeds([run.log_ratios for run in runs])
    return None


def _of_answers(runs: Sequence[Answered | None], change: bool) -> Interval | None:
    """The share of right answers, or its change in percentage points. The texts of all seeds must be the same."""
    known = [run for run in runs if run is not None]
    if len(known) < len(runs) or len({run.texts for run in known}) > 1:
        return None
    right = np.stack([run.right for run in known])
    if not change:
        return share_over_seeds(right)
    before = [run.baseline for run in known if run.baseline is not None]
    return change_over_seeds(np.stack(before), right).scaled(100) if len(before) == len(known) else None
