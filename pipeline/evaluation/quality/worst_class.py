"""The worst class: the lowest recall of a class, and the largest loss of recall, with intervals for that minimum.

Each class has its own interval. The true minimum is above the lowest of their lower bounds unless that of the truly worst
class is wrong, whatever the number of classes: so these bounds need no correction (intersection-union test, Berger,
Technometrics 24, 1982). It is below the lowest of their upper bounds only if all of these hold, so these are corrected for
the number of classes (Bonferroni).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from pipeline.evaluation.metrics import MIN_CLASS_TEXTS
from pipeline.evaluation.quality import intervals
from pipeline.evaluation.statistics import CONFIDENCE, Interval

wilson, tango = cache(intervals.wilson), cache(intervals.tango)  # many classes have the same counts


@dataclass(frozen=True)
class WorstClass:
    """The minimum over the classes of a share or a change."""

    interval: Interval
    lowest: str  # the class with the lowest value
    least_sure: str  # the class with the lowest lower bound: a small one may need more texts
    texts: dict[str, int]  # of the classes that are judged
    unjudged: dict[str, int]  # of those with fewer than `MIN_CLASS_TEXTS`, the rarest first


def worst(truth: np.ndarray, interval: Callable[[np.ndarray, float], Interval]) -> WorstClass | None:
    """The worst class; None where no class has `MIN_CLASS_TEXTS` texts.

    truth: (n,), the class of each text, index or name, or where texts may have several the class of each true label (see
    `Task.classes`); `interval` takes the places of a class in it, int64 (m,), and a confidence.
    """
    names, starts = np.unique(np.sort(truth), return_index=True)
    if not len(truth):
        return None
    places = dict(zip(map(str, names), np.split(np.argsort(truth, kind="stable"), starts[1:]), strict=True))
    counts = {name: len(rows) for name, rows in places.items()}
    judged = {name: rows for name, rows in places.items() if len(rows) >= MIN_CLASS_TEXTS}
    if not judged:
        return None
    found = {name: interval(rows, CONFIDENCE) for name, rows in judged.items()}
    corrected = 1 - (1 - CONFIDENCE) / len(judged)
    lowest = min(found, key=lambda name: found[name].value)
    least_sure = min(found, key=lambda name: found[name].low)
    high = min(interval(rows, corrected).high for rows in judged.values())
    rare = sorted((name for name in counts if name not in judged), key=lambda name: counts[name])
    return WorstClass(
        Interval(found[lowest].value, found[least_sure].low, high), lowest, least_sure,
        {name: counts[name] for name in judged}, {name: counts[name] for name in rare},
    )  # fmt: skip


def lowest_recall(right: np.ndarray, truth: np.ndarray) -> WorstClass | None:
    """The lowest recall, with Wilson's intervals; right: bool (n,), which are answered right; truth: (n,), see `worst`."""
    return worst(truth, lambda rows, confidence: wilson(int(right[rows].sum()), len(rows), confidence))


def largest_loss(before: np.ndarray, after: np.ndarray, truth: np.ndarray) -> WorstClass | None:
    """The lowest change of recall, with Tango's intervals; before, after: bool (n,), which both answer right."""
    gained, lost = after & ~before, before & ~after

    def change(rows: np.ndarray, confidence: float) -> Interval:
        return tango(int(gained[rows].sum()), int(lost[rows].sum()), len(rows), confidence)

    return worst(truth, change)
