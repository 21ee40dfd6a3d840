"""Decisions: is something shipped that loses more than was allowed, and is what is reported of it true?

Each case draws right and wrong answers of a baseline and of candidates with a known loss, on a validation and on a test
split, and decides as `python -m pipeline decide constraints.accuracy_loss=0.01 decide.prefer=accuracy` does. Preferring
accuracy is the hardest case: what chooses is what is reported. The change of accuracy has Tango's interval, the accuracy
Wilson's; a run's own are never narrower.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from pipeline.config import Decide
from pipeline.evaluation.metrics import validation_key
from pipeline.evaluation.quality.intervals import tango, wilson
from pipeline.evaluation.rows import Row
from pipeline.evaluation.statistics import Interval
from pipeline.selection.candidate import Candidate
from pipeline.selection.decision import decide
from pipeline.selection.simulation.figures import Figures, percent

ACCURACY = 0.93  # of the baseline
GAINED = 0.015  # share of the texts that only the candidate answers right
ALLOWED = 0.01  # the accuracy that may be lost
WORST = 0.02  # the largest loss where losses differ
SIZES, NUMBERS = (5500, 600), (1, 5, 15)  # texts of each split; candidates
tango_of, wilson_of = cache(tango), cache(wilson)  # counts repeat


@dataclass(frozen=True)
class Outcome:
    """One case; accuracies are shares."""

    picked: bool  # one was chosen on validation
    shipped: bool  # and confirmed on test
    inferior: bool  # the one that was shipped loses at least as much as is allowed
    reported: Interval  # the accuracy on test of the one that was chosen
    truth: float  # its true accuracy


def case(rng: np.random.Generator, losses: np.ndarray, n: int, test_chooses: bool = False) -> Outcome:
    """Decide once, of candidates that truly lose `losses` float64 (candidates,); `n` texts in each split.

    With `test_chooses` the texts that choose also confirm, as where one split does both.
    """
    validation, test = _split(rng, losses, n), _split(rng, losses, n)
    rows = []
    for number, (on_validation, on_test) in enumerate(zip(test if test_chooses else validation, test, strict=True)):
        metrics = {"size/mb": 10.0, "latency/mean_ms": 1.0, "delta/speedup": 2.0} | on_test
        metrics |= {validation_key(key): value for key, value in on_validation.items()}
        rows.append(Row(f"candidate {number:02}", metrics, f"{number}", seed=1))
    decision = decide("simulated", [Candidate((row,)) for row in rows], {"accuracy_loss": ALLOWED}, Decide("accuracy"))
    picked = decision.chosen or decision.unconfirmed
    if picked is None:
        return Outcome(False, False, False, Interval(0, 0, 0), 0)
    loss, shipped = losses[int(picked.best_run().run_id)], decision.chosen is not None
    reported = picked.metric("quality/accuracy")
    assert reported is not None
    return Outcome(True, shipped, shipped and bool(loss >= ALLOWED), reported, ACCURACY - loss)


def _split(rng: np.random.Generator, losses: np.ndarray, n: int) -> list[dict[str, float]]:
    """The metrics of each candidate on `n` new texts. All are compared with one baseline on the same texts."""
    baseline = int(rng.binomial(n, ACCURACY))
    lost = rng.binomial(baseline, (GAINED + losses) / ACCURACY)
    gained = rng.binomial(n - baseline, GAINED / (1 - ACCURACY), size=len(losses))
    found = []
    for more, less in zip(gained.tolist(), lost.tolist(), strict=True):
        change, accuracy = tango_of(more, less, n).scaled(100), wilson_of(baseline + more - less, n)
        of = {"delta/accuracy_pp": change, "quality/accuracy": accuracy}
        found.append(
            {key + bound: value for key, it in of.items() for bound, value in ({"": it.value} | it.bounds()).items()}
        )
    return found


def outcomes(cases: int, seed: int, candidates: int, n: int, *, mixed: bool, test_chooses: bool = False) -> list[Outcome]:
    """Outcomes of cases. `mixed`: losses from 0 to `WORST`, drawn anew each time; else all lose exactly what is allowed."""
    rng = np.random.default_rng([seed, candidates, n, mixed])
    return [
        case(rng, rng.uniform(0, WORST, candidates) if mixed else np.full(candidates, ALLOWED), n, test_chooses)
        for _ in range(cases)
    ]


def simulate(cases: int, seed: int) -> Figures:
    """All sizes, numbers of candidates and kinds of losses; the last rows are where the test split chooses."""
    rows = []
    for test_chooses in (False, True):
        for mixed in (False, True):
            for n in SIZES:
                for candidates in NUMBERS if not test_chooses else NUMBERS[-1:]:
                    more = cases * NUMBERS[-1] // candidates  # of fewer candidates one is chosen less often
                    found = outcomes(more, seed, candidates, n, mixed=mixed, test_chooses=test_chooses)
                    first = "test" if test_chooses else "validation"
                    rows.append((first, "0 to 2" if mixed else "1", f"{n}", f"{candidates}", *_cells(found)))
    return Figures(
        "A point may be lost: what is shipped, and is what is reported true?",
        ("chooses", "points lost", "texts", "candidates", "chosen", "shipped", "inferior", "reported - true", "covered",
         "of shipped", "covered there"),
        tuple(rows),
        "Candidates truly lose 1 point, exactly what is allowed, or 0 to 2 points. Inferior: what was shipped loses a point "
        "or more. Reported - true: the accuracy on test of the one that was chosen, confirmed or not, minus its "
        "true accuracy, in percentage points, with its standard error in this simulation; covered is how often the 95 % "
        "interval has the truth. Both again of the shipped ones alone.",
    )  # fmt: skip


def _cells(found: list[Outcome]) -> tuple[str, ...]:
    shares = [[getattr(one, name) for one in found] for name in ("picked", "shipped", "inferior")]
    chosen = [one for one in found if one.picked]
    return (*map(percent, shares), *_reported(chosen), *_reported([one for one in chosen if one.shipped]))


def _reported(found: list[Outcome]) -> tuple[str, str]:
    if not found:
        return "-", "-"
    errors = 100 * np.array([one.reported.value - one.truth for one in found])
    deviation = errors.std(ddof=1) / np.sqrt(len(found)) if len(found) > 1 else np.inf
    return f"{errors.mean():+.2f} ±{deviation:.2f}", percent(
        [one.reported.low <= one.truth <= one.reported.high for one in found]
    )
