"""`PairedQuality`: the differences in quality between candidate and baseline on the same queries."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pipeline.evaluation.quality.intervals import bootstrap, mcnemar, tango, wilson
from pipeline.evaluation.quality.worst_class import largest_loss, lowest_recall
from pipeline.evaluation.statistics import Interval
from pipeline.tasks import SINGLE_LABEL, Task
from pipeline.tasks.base import same


@dataclass(frozen=True)
class PairedQuality:
    """Differences candidate - baseline with intervals; shares from -1 to 1."""

    differences: dict[str, Interval]  # by metric, see `Task.weighted`
    flips: dict[str, tuple[int, int]]  # gained and lost queries, for each share of a fixed set of queries
    agreement: float  # share of the queries with the same answer
    changed: int  # queries that one of the two answers better: of several labels a text, by the F1 of the text

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
            "delta/changed": float(self.changed),
            "delta/agreement": self.agreement,
        }


def compare(
    baseline: np.ndarray, candidate: np.ndarray, truth: np.ndarray, labels: int, oos: int | None, task: Task = SINGLE_LABEL
) -> PairedQuality:
    """Compare two predictions with `truth`; all are arrays of the task, of the same queries in the same order.

    The bounds come from the paired bootstrap, smoothed by one gained and one lost query: with few flips it would be too
    narrow, and without flips it would have no width. For shares of a fixed set of queries they are widened to Tango's
    interval. Those of macro F1 and balanced accuracy are at least as far away as Tango's for accuracy: either of the two
    alone misses too often (`python -m pipeline simulate changes`). The worst class has intervals of its own.
    """
    kinds = smoothed([baseline, candidate], truth, labels, oos, task)
    true, old_answers, new_answers = kinds.values

    def changes(weights: np.ndarray) -> dict[str, np.ndarray]:
        old, new = (task.weighted(weights, answers, true, labels, oos) for answers in (old_answers, new_answers))
        return {name: new[name] - old[name] for name in old}

    differences, flips = bootstrap(kinds.counts, changes, kinds.added), {}
    before, after = same(baseline, truth), same(candidate, truth)
    for name, mask in task.fixed_parts(truth, oos).items():
        if name in differences:
            flips[name] = int((after & ~before & mask).sum()), int((before & ~after & mask).sum())
            differences[name] = differences[name].hull(tango(*flips[name], int(mask.sum())))
    for name in {"f1_macro", "balanced_accuracy"} & differences.keys() if "accuracy" in flips else ():
        differences[name] = differences[name].at_least(tango(*flips["accuracy"], len(truth)))
    worst = largest_loss(task.recalled(truth, baseline), task.recalled(truth, candidate), task.classes(truth))
    if worst is not None:
        differences["class_recall"] = worst.interval
    changed = int((task.text_scores(baseline, truth) != task.text_scores(candidate, truth)).sum())
    return PairedQuality(differences, flips, float(same(baseline, candidate).mean()), changed)


def estimate(
    predicted: np.ndarray, truth: np.ndarray, labels: int, oos: int | None, task: Task = SINGLE_LABEL
) -> dict[str, Interval]:
    """Each metric of one classifier with bounds of the bootstrap, smoothed by one query with a wrong answer.

    Those of shares are widened to Wilson's interval.
    """
    kinds = smoothed([predicted], truth, labels, oos, task)
    true, answers = kinds.values
    found = bootstrap(kinds.counts, lambda weights: task.weighted(weights, answers, true, labels, oos), kinds.added)
    for name, mask in task.parts(truth, predicted, oos).items():
        if name in found:
            found[name] = found[name].hull(wilson(int((same(predicted, truth) & mask).sum()), int(mask.sum())))
    worst = lowest_recall(task.recalled(truth, predicted), task.classes(truth))
    if worst is not None:
        found["class_recall"] = worst.interval
    return found


class Kinds(NamedTuple):
    """Queries that are alike, counted."""

    values: tuple[np.ndarray, ...]  # labels, then each classifier's answers, as arrays of the task with a row a kind
    counts: np.ndarray  # int64 (kinds,)
    added: np.ndarray  # float64 (kinds,), what the smoothed bootstrap adds


def smoothed(
    answers: Sequence[np.ndarray], truth: np.ndarray, labels: int, oos: int | None, task: Task = SINGLE_LABEL
) -> Kinds:
    """The kinds of queries, with one more query for each classifier that it alone answers wrong.

    That query is spread over the labels by their share, see `Task.wrong_queries`. (Half a query for each label would be far
    too much where there are many: with 150 labels and 600 queries the interval would be four times as wide.)
    """
    columns = [column.reshape(len(truth), -1) for column in (truth, *answers)]
    seen, counts = np.unique(np.concatenate(columns, axis=1), axis=0, return_counts=True)
    values = [part.reshape(-1, *truth.shape[1:]) for part in np.split(seen, len(columns), axis=1)]
    true, wrong, share = task.wrong_queries(truth, labels, oos)
    for number in range(len(answers)):
        values = [np.concatenate([part, wrong if place == number + 1 else true]) for place, part in enumerate(values)]
    added = np.tile(share, len(answers))
    return Kinds(
        tuple(values),
        np.concatenate([counts, np.zeros(len(added), dtype=np.int64)]),
        np.concatenate([np.zeros(len(counts)), added]),
    )
