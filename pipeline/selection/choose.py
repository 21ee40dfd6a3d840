"""Pareto front and preference: candidates whose intervals overlap are not ranked."""

from collections.abc import Sequence

from pipeline.config import PREFERENCES
from pipeline.evaluation.metrics import HIGHER, METRICS
from pipeline.evaluation.statistics import Interval
from pipeline.selection.candidate import Candidate
from pipeline.selection.pareto import pareto_front

METRICS_OF_PREFERENCE = {  # preference -> metrics; the first one with a value counts
    "latency": ("delta/speedup",),
    "size": ("size/mb",),
    "accuracy": ("delta/accuracy_pp", "quality/accuracy"),  # an untrained baseline has no accuracy to compare with
    "cost": ("cost/texts_per_core_s",),
}
FRONT = ("latency", "size", "accuracy")


def front(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The Pareto front: no other candidate is at least as fast, small and accurate, and better in one of the three."""
    points = [[_good(candidate, name) for name in FRONT] for candidate in candidates]
    return [candidates[index] for index in pareto_front(points)]


def _good(candidate: Candidate, preference: str) -> float:
    oriented = _oriented(candidate, preference)
    return oriented.value if oriented is not None else float("-inf")


def _oriented(candidate: Candidate, preference: str) -> Interval | None:
    """The metric of a preference, negated where lower is better."""
    for key in METRICS_OF_PREFERENCE[preference]:
        metric = candidate.metric(key)
        if metric is not None:
            return metric if METRICS[key].direction == HIGHER else Interval(-metric.value, -metric.high, -metric.low)
    return None


def choose(candidates: Sequence[Candidate], prefer: str) -> tuple[Candidate, list[str]]:
    """The best candidate by the preferred metric, and the reasons, with candidates whose intervals overlap.

    Candidates whose interval overlaps that of the best can't be ranked by this metric. Among them the next preference
    decides, and finally the name.
    """
    if len(candidates) == 1:
        return candidates[0], ["no other candidate keeps the constraints"]
    left, reasons = list(candidates), list[str]()
    for preference in (prefer, *(name for name in PREFERENCES if name != prefer)):
        kept = _best(left, preference)
        if len(kept) == 1:
            reasons.append(f"{kept[0].name} is the best in {preference}" + (" of these" if reasons else ""))
            return kept[0], reasons
        if len(kept) < len(left) or not reasons:
            names = ", ".join(candidate.name for candidate in kept)
            reasons.append(f"in {preference}, the intervals of {names} overlap")
        left = kept
    left.sort(key=lambda candidate: candidate.name)
    return left[0], [*reasons, f"no preference ranks them; {left[0].name} is the first by name"]


def _best(candidates: Sequence[Candidate], preference: str) -> list[Candidate]:
    known = [(candidate, _oriented(candidate, preference)) for candidate in candidates]
    metrics = [metric for _, metric in known if metric is not None]
    if not metrics:
        return list(candidates)
    best = max(metrics, key=lambda metric: metric.value)
    return [candidate for candidate, metric in known if metric is not None and metric.high >= best.low]
