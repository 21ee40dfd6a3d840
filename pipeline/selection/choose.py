"""Pareto front and preference: metrics whose intervals overlap are not ranked."""

from collections.abc import Sequence

from pipeline.config import PREFERENCES
from pipeline.evaluation.metrics import HIGHER, METRICS
from pipeline.evaluation.statistics import Interval
from pipeline.selection.candidate import Candidate
from pipeline.selection.pareto import pareto_front

METRICS_OF_PREFERENCE = {  # preference -> metrics, of which the first that is known counts
    "latency": ("delta/speedup",),
    "size": ("size/mb",),
    "accuracy": ("delta/accuracy_pp", "quality/accuracy"),  # an untrained baseline has no accuracy to compare with
    "cost": ("cost/texts_per_core_s",),
}
FRONT = ("latency", "size", "accuracy")


def front(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those that no other beats: none is at least as fast, small and accurate, and more so in one of the three."""
    points = [[_good(candidate, name) for name in FRONT] for candidate in candidates]
    return [candidates[index] for index in pareto_front(points)]


def _good(candidate: Candidate, preference: str) -> float:
    oriented = _oriented(candidate, preference)
    return oriented.value if oriented is not None else float("-inf")


def _oriented(candidate: Candidate, preference: str) -> Interval | None:
    """A metric such that more is better."""
    for key in METRICS_OF_PREFERENCE[preference]:
        metric = candidate.metric(key)
        if metric is not None:
            return metric if METRICS[key].direction == HIGHER else Interval(-metric.value, -metric.high, -metric.low)
    return None


def choose(candidates: Sequence[Candidate], prefer: str) -> tuple[Candidate, list[str]]:
    """The best by what is preferred; and in words, who could not be told apart from it and what decided instead.

    Those whose interval overlaps that of the best are as good, for all that is known: among them the next preference
    decides, and at last the name.
    """
    if len(candidates) == 1:
        return candidates[0], ["no other keeps the constraints"]
    left, words = list(candidates), list[str]()
    for preference in (prefer, *(name for name in PREFERENCES if name != prefer)):
        kept = _best(left, preference)
        if len(kept) == 1:
            words.append(f"{kept[0].name} is the best in {preference}" + (" of these" if words else ""))
            return kept[0], words
        if len(kept) < len(left) or not words:
            names = ", ".join(candidate.name for candidate in kept)
            words.append(f"in {preference}, {names} can't be told apart")
        left = kept
    left.sort(key=lambda candidate: candidate.name)
    return left[0], [*words, f"nothing tells them apart; {left[0].name} is the first by name"]


def _best(candidates: Sequence[Candidate], preference: str) -> list[Candidate]:
    known = [(candidate, _oriented(candidate, preference)) for candidate in candidates]
    metrics = [metric for _, metric in known if metric is not None]
    if not metrics:
        return list(candidates)
    best = max(metrics, key=lambda metric: metric.value)
    return [candidate for candidate, metric in known if metric is not None and metric.high >= best.low]
