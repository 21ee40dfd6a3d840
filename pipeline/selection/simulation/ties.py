"""Ties: are two candidates that truly differ told apart, and is the better one chosen?"""

import numpy as np

from pipeline.evaluation.evidence import Evidence
from pipeline.evaluation.metrics import BOUNDS
from pipeline.evaluation.quality.intervals import wilson
from pipeline.evaluation.rows import Row
from pipeline.evaluation.statistics import Interval, ratio_interval
from pipeline.selection.candidate import Candidate
from pipeline.selection.choose import RANKING, choose
from pipeline.selection.simulation.figures import Figures, percent

ACCURACY, TEXTS = 0.93, 5500  # of the better student; of the validation split
LOST = 0.018  # share of the texts that only the worse student answers right
SPREAD = 0.01  # standard deviation of the log ratio from pair to pair
ACCURACIES = (0.0, 0.2, 0.5, 1.0)  # true differences, in percentage points
SPEEDS = (  # true speed-ups, and numbers of pairs, of both
    (100.0, 6, 100.0, 6),
    (100.0, 6, 98.0, 6),
    (100.0, 6, 95.0, 6),
    (100.0, 6, 90.0, 2),
    (100.0, 6, 2.0, 1),
)


def students(rng: np.random.Generator, difference: float) -> list[Candidate]:
    """Two that truly differ by so many points: "better", and the smaller "worse"."""
    better = rng.random(TEXTS) < ACCURACY
    lost, gained = (LOST + difference / 100) / ACCURACY, LOST / (1 - ACCURACY)
    worse = np.where(better, rng.random(TEXTS) >= lost, rng.random(TEXTS) < gained)
    texts = tuple(map(str, range(TEXTS)))
    return [
        _candidate(name, mb, _named("validation/accuracy", wilson(int(right.sum()), TEXTS)), Evidence(texts, right))
        for name, mb, right in (("better", 20.0, better), ("worse", 10.0, worse))
    ]


def timed(rng: np.random.Generator, first: float, pairs: int, second: float, others: int) -> list[Candidate]:
    """Two with these true speed-ups: "better", and the smaller "worse"."""
    found = []
    for name, mb, speedup, count in (("better", 20.0, first, pairs), ("worse", 10.0, second, others)):
        ratios = np.log(speedup) + SPREAD * rng.standard_normal(count)
        found.append(_candidate(name, mb, _named("delta/speedup", ratio_interval(ratios)), Evidence(log_ratios=ratios)))
    return found


def _named(key: str, found: Interval) -> dict[str, float]:
    bounds = dict(zip((key + bound for bound in BOUNDS), (found.low, found.high), strict=True))
    return {key: found.value, **(bounds if np.isfinite(found.high) else {})}


def _candidate(name: str, mb: float, metrics: dict[str, float], evidence: Evidence) -> Candidate:
    return Candidate((Row(name, {"size/mb": mb, **metrics}, name, seed=1),), (evidence,))


def outcome(candidates: list[Candidate], prefer: str) -> tuple[bool, bool, bool]:
    """Whether they are tied, whether their own comparison tells them apart, and whether "better" is chosen."""
    preference = RANKING[prefer]
    found = preference.compare(*candidates) if preference.compare is not None else None
    tied = preference.is_close(*candidates) and preference.is_tied(*candidates)
    return tied, found is not None and preference.tells_apart(found), choose(candidates, prefer)[0].name == "better"


def simulate(cases: int, seed: int) -> Figures:
    """Students that differ in accuracy, and candidates that differ in speed."""
    rng, rows = np.random.default_rng(seed), list[tuple[str, ...]]()
    for difference in ACCURACIES:
        drawn = [outcome(students(rng, difference), "accuracy") for _ in range(cases)]
        rows.append((f"accuracy: {difference:g} points", *map(percent, zip(*drawn, strict=True))))
    for first, pairs, second, others in SPEEDS:
        drawn = [outcome(timed(rng, first, pairs, second, others), "latency") for _ in range(cases)]
        what = f"latency: {first:g}x in {pairs} pairs, {second:g}x in {others}"
        rows.append((what, *map(percent, zip(*drawn, strict=True))))
    return Figures(
        "Two that truly differ: are they tied, and is the better one chosen?",
        ("true difference", "tied", "told apart", "better chosen"),
        tuple(rows),
        f"The worse one is half as large, so it is chosen in a tie. Accuracy: {TEXTS} texts, {200 * LOST:.1f} % flips and "
        f"the difference. Speed: the standard deviation of log ratios from pair to pair is {100 * SPREAD:g} %.",
    )
