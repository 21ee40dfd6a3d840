"""The queries that a candidate answers differently from the baseline, and their number by class."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.evaluation.quality.intervals import mcnemar
from pipeline.evaluation.statistics import holm
from pipeline.tasks import SINGLE_LABEL, Task, inputs
from pipeline.tasks.base import same
from pipeline.tasks.inputs import Input

GAINED, LOST, CHANGED = "gained", "lost", "changed"  # only the candidate is right; only the baseline is right; neither is
MAX_CLASSES, MAX_QUERIES = 10, 20  # on the page for readers; flips.csv has all


@dataclass(frozen=True)
class ClassFlips:
    """Number of queries of one class, and how many decisions about it were gained and lost, see `LabelChanges`."""

    label: str
    queries: int
    decisions: int
    gained: int
    lost: int
    p: float = 1.0  # of McNemar's test, after Holm's correction over all classes

    @property
    def change_pp(self) -> float:
        """Change of the share of right decisions, in percentage points: of one label a text the accuracy in this class."""
        return 100 * (self.gained - self.lost) / self.decisions


@dataclass(frozen=True)
class Flip:
    """A query with different answers."""

    kind: str  # GAINED, LOST or CHANGED
    text: Input  # one text, or a pair of texts
    label: str
    baseline: str
    candidate: str


@dataclass(frozen=True)
class Flips:
    """All flips: lost ones first, then gained ones."""

    queries: int
    flips: tuple[Flip, ...]
    classes: tuple[ClassFlips, ...]  # with a gained or lost query, the largest loss of accuracy first

    def count(self, kind: str) -> int:
        """The number of flips of a kind."""
        return sum(flip.kind == kind for flip in self.flips)


def find(
    texts: Sequence[Input], truth: np.ndarray, baseline: np.ndarray, candidate: np.ndarray, labels: Sequence[str],
    task: Task = SINGLE_LABEL,
) -> Flips:  # fmt: skip
    """Find all flips. The three arrays are those of the task, of the same queries in the same order."""
    before, after = same(baseline, truth), same(candidate, truth)
    kinds = np.select([after & ~before, before & ~after, ~same(baseline, candidate)], [GAINED, LOST, CHANGED], "")
    flipped = np.flatnonzero(kinds != "")
    shown = zip(*(task.shown(each[flipped], labels) for each in (truth, baseline, candidate)), strict=True)
    found = [Flip(str(kinds[i]), texts[i], *names) for i, names in zip(flipped.tolist(), shown, strict=True)]
    order = (LOST, GAINED, CHANGED)
    counts = [each.tolist() for each in task.changes_by_label(truth, baseline, candidate, len(labels))]
    tested = holm([mcnemar(gained, lost) for gained, lost in zip(*counts[2:], strict=True)])
    classes = [ClassFlips(*each) for each in zip(labels, *counts, tested, strict=True)]
    changed = sorted((each for each in classes if each.gained or each.lost), key=lambda each: (each.change_pp, -each.lost))
    return Flips(len(truth), tuple(sorted(found, key=lambda flip: order.index(flip.kind))), tuple(changed))


def markdown(flips: Flips, candidate: str, baseline: str) -> str:
    """One page: the numbers, the classes that lost most, and lost queries; the table `flips.csv` has all."""
    same = flips.queries - len(flips.flips)
    lines = [
        f"# {candidate} against {baseline}, query by query",
        f"Both (these weights) give the same answer to {same} of {flips.queries} queries ({same / flips.queries:.1%}). "
        f"Of the others, {flips.count(LOST)} were right and are wrong now, "
        f"{flips.count(GAINED)} were wrong and are right now, {flips.count(CHANGED)} have two different wrong answers.",
    ]
    worse = [each for each in flips.classes if each.lost > each.gained][:MAX_CLASSES]
    if worse:
        rows = [f"| {_cell(c.label)} | {c.queries} | {c.lost} | {c.gained} | {c.change_pp:.1f} |" for c in worse]
        head = ["| class | queries | lost | gained | change pp |", "| --- | ---: | ---: | ---: | ---: |"]
        lines += ["## Classes that lost most", "\n".join([*head, *rows])]
    judged = sorted((each for each in flips.classes if each.p < 1), key=lambda each: each.p)
    if judged:
        rows = [f"| {_cell(c.label)} | {c.queries} | {c.lost} | {c.gained} | {c.p:.3g} |" for c in judged]
        head = ["| class | queries | lost | gained | p |", "| --- | ---: | ---: | ---: | ---: |"]
        lines += ["## McNemar's test of each class, with Holm's correction", "\n".join([*head, *rows])]
    lost = [flip for flip in flips.flips if flip.kind == LOST][:MAX_QUERIES]
    if lost:
        head = ["| query | label | answer |", "| --- | --- | --- |"]
        rows = [f"| {_cell(inputs.shown(f.text))} | {_cell(f.label)} | {_cell(f.candidate)} |" for f in lost]
        lines += ["## Queries that were right and are wrong now", "\n".join([*head, *rows])]
        more = flips.count(LOST) - len(lost)
        lines += [f"{more} more are in flips.csv."] if more else []
    return "\n\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
