"""What each class keeps: recall of baseline and candidate, and precision; an average hides a class that is lost."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.evaluation.metrics import MIN_CLASS_TEXTS
from pipeline.evaluation.quality.intervals import mcnemar
from pipeline.evaluation.report import Judged
from pipeline.evaluation.statistics import holm
from pipeline.tasks import SINGLE_LABEL, Task

MAX_WORST, MAX_RAREST, MAX_NAMED = 10, 5, 3  # rows of both parts of the page; names in one line. classes.csv has all classes
SIGNIFICANT = 0.05
COLUMNS = ("class", "texts", "few", "recall", "baseline_recall", "lost", "gained", "holm_p", "precision")  # of classes.csv


@dataclass(frozen=True)
class ClassQuality:
    """One class of a split."""

    label: str
    texts: int
    right: int
    answered: int  # texts that are answered so, rightly or not
    before: int | None = None  # texts that the baseline answers right; None for the baseline itself
    gained: int = 0
    lost: int = 0
    p: float | None = None  # of McNemar's exact test, corrected for the number of classes that are judged (Holm)

    @property
    def few(self) -> bool:
        """Whether it has too few texts to be judged."""
        return self.texts < MIN_CLASS_TEXTS

    @property
    def recall(self) -> float | None:
        """Share of its texts that are answered right; None without texts."""
        return self.right / self.texts if self.texts else None

    @property
    def recall_before(self) -> float | None:
        """The same of the baseline."""
        return self.before / self.texts if self.texts and self.before is not None else None

    @property
    def precision(self) -> float | None:
        """Share of the texts answered so that belong to it; None where nothing is answered so."""
        return self.right / self.answered if self.answered else None

    @property
    def change_pp(self) -> float:
        """Change of its recall, in percentage points."""
        return 100 * (self.gained - self.lost) / self.texts if self.texts else 0.0

    def cells(self) -> list[str]:
        """Its values for `COLUMNS`; "" for an unknown one."""
        shares = [f"{share:.4f}" if share is not None else "" for share in (self.recall, self.recall_before, self.precision)]
        flips = [str(self.lost), str(self.gained)] if self.before is not None else ["", ""]
        p = "" if self.p is None else f"{self.p:.4f}"
        return [self.label, str(self.texts), "few" if self.few else "", shares[0], shares[1], *flips, p, shares[2]]


def by_class(
    truth: np.ndarray, predicted: np.ndarray, labels: Sequence[str], baseline: np.ndarray | None = None,
    task: Task = SINGLE_LABEL,
) -> list[ClassQuality]:  # fmt: skip
    """All classes, also those without texts, the lowest recall first; the arrays are those of the task."""
    right, every, count = task.found(truth, predicted), np.ones(truth.shape, dtype=bool), len(labels)
    texts, hits = (task.by_label(truth, chosen, count).tolist() for chosen in (every, right))
    answered = task.by_label(predicted, every, count).tolist()
    if baseline is None:
        found = [ClassQuality(*each) for each in zip(labels, texts, hits, answered, strict=True)]
        return sorted(found, key=_worst_first)
    was = task.found(truth, baseline)
    before, gained, lost = (task.by_label(truth, of, count).tolist() for of in (was, right & ~was, was & ~right))
    judged = [index for index in range(count) if texts[index] >= MIN_CLASS_TEXTS]
    corrected = holm([mcnemar(gained[index], lost[index]) for index in judged])
    p = dict(zip(judged, corrected, strict=True))
    found = [
        ClassQuality(label, texts[i], hits[i], answered[i], before[i], gained[i], lost[i], p.get(i))
        for i, label in enumerate(labels)
    ]
    return sorted(found, key=_worst_first)


def of(judged: Judged) -> list[ClassQuality]:
    """The classes of a split that a classifier has answered."""
    after, before = judged.predictions, judged.baseline
    return by_class(after.truth, after.predicted, after.labels, None if before is None else before.predicted, after.task)


def _worst_first(one: ClassQuality) -> tuple[float, int]:
    return (2.0 if one.recall is None else one.recall), one.texts


def line(classes: Sequence[ClassQuality]) -> str:
    """The worst classes, that which lost most, and how many are too small to be judged."""
    judged = [one for one in classes if not one.few]
    parts = []
    if judged:
        parts.append("lowest recall " + ", ".join(_told(one) for one in judged[:MAX_NAMED]))
        loser = min(judged, key=lambda one: one.change_pp)
        if loser.change_pp < 0:
            parts.append(f"lost most: {loser.label!r} {loser.change_pp:.1f} pp of {loser.texts} texts")
    small = sorted((one for one in classes if one.few), key=lambda one: one.texts)
    if small:
        rarest = ", ".join(_told(one) for one in small[:MAX_NAMED])
        parts.append(f"{len(small)} of {len(classes)} have fewer than {MIN_CLASS_TEXTS} texts, the rarest {rarest}")
    return "; ".join(parts)


def _told(one: ClassQuality) -> str:
    return f"{one.label!r} {one.right} of {one.texts}"


def shown(classes: Sequence[ClassQuality]) -> tuple[list[ClassQuality], list[ClassQuality]]:
    """The worst classes that can be judged: first those that lost most, then those of the lowest recall; and the rarest."""
    judged = [one for one in classes if not one.few]
    losers = sorted((one for one in judged if one.change_pp < 0), key=lambda one: one.change_pp)
    worst = list(dict.fromkeys([*losers[: MAX_WORST // 2], *judged]))[:MAX_WORST]
    return worst, sorted(classes, key=lambda one: one.texts)[:MAX_RAREST]


def markdown(classes: Sequence[ClassQuality], name: str) -> str:
    """One page: the worst and the rarest classes; the table `classes.csv` has all."""
    worst, rarest = shown(classes)
    few = sum(one.few for one in classes)
    lines = [
        f"# {name}, class by class",
        f"{len(classes)} classes on the test split; {few} have fewer than {MIN_CLASS_TEXTS} texts (marked few), so their "
        "recall is mostly chance. `*`: the change is significant among all classes that are not few (exact McNemar, Holm).",
    ]
    if worst:
        lines += ["## Classes that lost most, then those of the lowest recall", _table(worst)]
    lines += ["## The rarest classes", _table(rarest)]
    return "\n\n".join(lines) + "\n"


def _table(classes: Sequence[ClassQuality]) -> str:
    head = "| class | texts | recall % | baseline % | change pp | precision % |"
    return "\n".join([head, "| --- | ---: | ---: | ---: | ---: | ---: |", *map(_row, classes)])


def _row(one: ClassQuality) -> str:
    recall, before, precision = (
        f"{100 * share:.1f}" if share is not None else "-" for share in (one.recall, one.recall_before, one.precision)
    )
    mark = " *" if one.p is not None and one.p < SIGNIFICANT else ""
    change = f"{one.change_pp:+.1f}{mark}" if one.before is not None and one.texts else "-"
    label = " ".join(one.label.replace("|", "\\|").split())
    return f"| {label} | {one.texts}{' few' if one.few else ''} | {recall} | {before} | {change} | {precision} |"
