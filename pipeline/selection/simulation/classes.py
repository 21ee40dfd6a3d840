"""The worst class: how often does `constraints.class_recall_loss` pass what has truly lost a class, and reject what has not?

Each class has as many texts as the others. In a class the baseline answers a share right; the candidate loses and gains some
texts at random in every class, and in one class it may truly lose more.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.evaluation.quality.intervals import tango
from pipeline.evaluation.quality.worst_class import largest_loss
from pipeline.evaluation.rows import Row
from pipeline.evaluation.statistics import Interval
from pipeline.selection.candidate import Candidate
from pipeline.selection.constraints import TEST, Rules
from pipeline.selection.simulation.figures import Figures, percent

ALLOWED, ALLOWED_OF_ALL = 0.1, 0.01  # constraints.class_recall_loss and constraints.accuracy_loss
RECALL, FLIPS = 0.9, 0.01  # of the baseline in each class; share of a class that is lost, and as much that is gained
SHAPES = ((5, 50), (5, 200), (20, 50), (20, 200), (150, 30), (150, 200))  # classes, texts of each
LOSSES = (0.0, 0.05, 0.1, 0.2, 0.5)  # of recall, true, of one class


@dataclass(frozen=True)
class Judgement:
    """Which bounds one case keeps."""

    strict: bool  # class_recall_loss, with its whole interval
    value: bool  # the same with decide.strict=false
    of_all: bool  # accuracy_loss, with its whole interval
    covered: bool  # whether the interval of the worst class has the truth


def judged(rng: np.random.Generator, classes: int, texts: int, loss: float) -> Judgement:
    """Draw a split of equal classes, of which the first truly loses `loss` of its recall, and judge it."""
    truth = np.repeat(np.arange(classes), texts)
    before = rng.random(len(truth)) < RECALL
    lost = (FLIPS + np.where(truth == 0, loss, 0.0)) / RECALL
    after = np.where(before, rng.random(len(truth)) >= lost, rng.random(len(truth)) < FLIPS / (1 - RECALL))
    found = largest_loss(before, after, truth)
    assert found is not None
    worst, total = found.interval, tango(int((after & ~before).sum()), int((before & ~after).sum()), len(truth))
    metrics = _named("delta/class_recall_pp", worst) | _named("delta/accuracy_pp", total) | {"quality/accuracy": RECALL}
    candidate = Candidate((Row("candidate", metrics),))

    def keeps(strict: bool, **bounds: float) -> bool:
        return not Rules(bounds, strict).failures(candidate, TEST)

    return Judgement(
        keeps(True, class_recall_loss=ALLOWED), keeps(False, class_recall_loss=ALLOWED),
        keeps(True, accuracy_loss=ALLOWED_OF_ALL), worst.low <= -loss <= worst.high,
    )  # fmt: skip


def _named(key: str, found: Interval) -> dict[str, float]:
    """A change in percentage points with its bounds, as a run logs it."""
    return {key + bound: 100 * value for bound, value in ({"": found.value} | found.bounds()).items()}


def judgements(cases: int, seed: int, classes: int, texts: int, loss: float) -> list[Judgement]:
    """Judgements of so many splits."""
    rng = np.random.default_rng([seed, classes, texts, round(1000 * loss)])
    return [judged(rng, classes, texts, loss) for _ in range(cases)]


def simulate(cases: int, seed: int) -> Figures:
    """Few and many classes, with few and many texts, of which one loses nothing up to half of its recall."""
    rows = []
    for classes, texts in SHAPES:
        for loss in LOSSES:
            found = judgements(cases, seed, classes, texts, loss)
            shares = [percent([getattr(one, name) for one in found]) for name in ("strict", "value", "of_all", "covered")]
            rows.append((f"{classes}", f"{texts}", f"{100 * loss:g}", *shares))
    return Figures(
        f"One class may lose {100 * ALLOWED:g} points of recall: what passes?",
        ("classes", "texts of each", "one truly loses, pp", "passes", "passes by value", "passes accuracy_loss", "covered"),
        tuple(rows),
        f"constraints.class_recall_loss={ALLOWED:g}, with the whole interval and by the value alone, and for comparison "
        f"constraints.accuracy_loss={ALLOWED_OF_ALL:g} with its interval. The baseline has {100 * RECALL:g} % of each class "
        f"right; of each class the candidate loses {100 * FLIPS:g} % at random and gains as many. Where one class truly "
        f"loses {100 * ALLOWED:g} points, 2.5 % may pass. Covered: how often the interval has the true loss.",
    )
