"""Which queries a candidate answers differently from the baseline: in both directions, and by class."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

GAINED, LOST, CHANGED = "gained", "lost", "changed"  # only the candidate is right; only the baseline is; neither is
MAX_CLASSES, MAX_QUERIES = 10, 20  # on the page that is read; the table has all


@dataclass(frozen=True)
class OfClass:
    """The queries of one class."""

    label: str
    queries: int
    gained: int
    lost: int

    @property
    def change_pp(self) -> float:
        """Of its share that is right, in percentage points."""
        return 100 * (self.gained - self.lost) / self.queries


@dataclass(frozen=True)
class Flip:
    """A query that both answer differently."""

    kind: str  # GAINED, LOST or CHANGED
    text: str
    label: str
    baseline: str
    candidate: str


@dataclass(frozen=True)
class Flips:
    """All of them; what was lost comes first, then what was gained."""

    queries: int
    flips: tuple[Flip, ...]
    classes: tuple[OfClass, ...]  # of which a query was gained or lost, those hurt most first

    def count(self, kind: str) -> int:
        """How many are of a kind."""
        return sum(flip.kind == kind for flip in self.flips)


def find(
    texts: Sequence[str], truth: np.ndarray, baseline: np.ndarray, candidate: np.ndarray, labels: Sequence[str]
) -> Flips:
    """The three arrays are int64 (n,), indices of labels, of the same queries in the same order."""
    before, after = baseline == truth, candidate == truth
    kinds = np.select([after & ~before, before & ~after, baseline != candidate], [GAINED, LOST, CHANGED], "")
    found = [
        Flip(str(kinds[i]), texts[i], labels[truth[i]], labels[baseline[i]], labels[candidate[i]])
        for i in np.flatnonzero(kinds != "").tolist()
    ]
    order = (LOST, GAINED, CHANGED)
    classes = [
        OfClass(label, int(of.sum()), int((of & (kinds == GAINED)).sum()), int((of & (kinds == LOST)).sum()))
        for label, of in ((label, truth == index) for index, label in enumerate(labels))
        if of.any()
    ]
    hurt = sorted((each for each in classes if each.gained or each.lost), key=lambda each: (each.change_pp, -each.lost))
    return Flips(len(truth), tuple(sorted(found, key=lambda flip: order.index(flip.kind))), tuple(hurt))


def markdown(flips: Flips, candidate: str, baseline: str) -> str:
    """One page: how many, the classes hurt most, the queries that were lost; the table `flips.csv` has all."""
    same = flips.queries - len(flips.flips)
    lines = [
        f"# {candidate} against {baseline}, query by query",
        f"Both say the same of {same} of {flips.queries} queries ({same / flips.queries:.1%}). Of the others, "
        f"{flips.count(LOST)} were right and are wrong now, {flips.count(GAINED)} were wrong and are right now, "
        f"{flips.count(CHANGED)} are wrong both times, in another way.",
    ]
    worse = [each for each in flips.classes if each.lost > each.gained][:MAX_CLASSES]
    if worse:
        rows = [f"| {_cell(c.label)} | {c.queries} | {c.lost} | {c.gained} | {c.change_pp:.1f} |" for c in worse]
        head = ["| class | queries | lost | gained | change pp |", "| --- | ---: | ---: | ---: | ---: |"]
        lines += ["## Classes hurt most", "\n".join([*head, *rows])]
    lost = [flip for flip in flips.flips if flip.kind == LOST][:MAX_QUERIES]
    if lost:
        head = ["| query | is | said |", "| --- | --- | --- |"]
        rows = [f"| {_cell(f.text)} | {_cell(f.label)} | {_cell(f.candidate)} |" for f in lost]
        lines += ["## Queries that were right and are wrong now", "\n".join([*head, *rows])]
        more = flips.count(LOST) - len(lost)
        lines += [f"{more} more are in flips.csv."] if more else []
    return "\n\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
