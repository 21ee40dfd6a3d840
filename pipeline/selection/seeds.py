"""Metrics over several seeds, with intervals from the answers and the pairs of each (see `evaluation.quality.seeds`).

These are accuracy, its parts in and out of scope, the worst class, their changes, and both speed-ups. Macro F1, balanced
accuracy and out-of-scope precision are not among them: of these the noise of the texts is counted twice, which is too wide.
"""

from collections.abc import Callable, Sequence

import numpy as np

from pipeline.evaluation.evidence import Answered, Evidence
from pipeline.evaluation.metrics import METRICS, validation_key
from pipeline.evaluation.quality.seeds import change_over_seeds, ratio_over_seeds, share_over_seeds
from pipeline.evaluation.statistics import Interval
from pipeline.selection.classes import KEYS, worst_class

Split = Callable[[Evidence], Answered | None]
SHARES = {"accuracy": None, "in_scope_accuracy": False, "oos_recall": True}  # of all texts, those in scope, those out of it
RATIOS: dict[str, Callable[[Evidence], np.ndarray]] = {
    "delta/speedup": lambda run: run.log_ratios,
    "delta/speedup_p95": lambda run: run.p95_log_ratios,
}


def over_seeds(key: str, runs: Sequence[Evidence]) -> Interval | None:
    """A metric over at least two seeds; None where it is another one, or where the runs lack what it needs."""
    if key in KEYS:
        found = worst_class(key, runs)
        return None if found is None else found.interval.scaled(100 if METRICS[key].compared else 1)
    splits: dict[str, Split] = {"": lambda run: run.test, "validation": lambda run: run.validation}
    for split, answered in splits.items():
        for name, outside in SHARES.items():
            keys = (f"quality/{name}", f"delta/{name}_pp")
            share, change = (validation_key(each) if split else each for each in keys)
            if key in (share, change):
                return _of_answers([answered(run) for run in runs], key == change, outside)
    if key in RATIOS:
        ratios = [RATIOS[key](run) for run in runs]
        return ratio_over_seeds(ratios) if all(map(len, ratios)) else None
    return None


def _of_answers(runs: Sequence[Answered | None], change: bool, outside: bool | None) -> Interval | None:
    """The share of right answers, or its change in percentage points. The texts of all seeds must be the same.

    `outside` takes those in scope (False) or out of scope (True) only.
    """
    known = [run for run in runs if run is not None]
    if len(known) < len(runs) or len({run.texts for run in known}) > 1:
        return None
    chosen = np.ones(len(known[0].right), dtype=bool)
    if outside is not None:
        if known[0].outside is None:
            return None
        chosen = known[0].outside == outside
    if chosen.sum() < 2:
        return None
    right = np.stack([run.right[chosen] for run in known])
    if not change:
        return share_over_seeds(right)
    before = [run.baseline[chosen] for run in known if run.baseline is not None]
    return change_over_seeds(np.stack(before), right).scaled(100) if len(before) == len(known) else None
