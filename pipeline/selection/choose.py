"""The best candidate by a preference. Two are tied only if they are close and their own comparison finds no difference.

Quality is that of the validation split. A tie needs a point estimate within `indifference` of the best, and a paired
comparison of the two that is not significant. Where that comparison is unknown there is no tie. One whose interval is
unknown or very wide comes after one whose interval is known, unless their comparison shows that it is better: it never wins
by being unknown, however good its point estimate is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite, log

from pipeline.evaluation.metrics import HEADLINES, HIGHER, METRICS, validation_key
from pipeline.evaluation.statistics import Interval
from pipeline.selection.candidate import Candidate
from pipeline.selection.paired import quality_difference, speed_ratio
from pipeline.selection.pareto import pareto_front

WIDE = 1.25  # a ratio whose interval reaches further than this factor from its value says little


@dataclass(frozen=True)
class Preference:
    """What can be preferred: the metrics that rank (the first with a value counts), and when two of them are close."""

    keys: tuple[str, ...]
    indifference: float  # a share of the value, or percentage points
    unit: str  # of the indifference, and of the comparison: " %" (of a ratio) or " pp"
    compare: Callable[[Candidate, Candidate], Interval | None] | None = None  # None: the metric is known exactly

    def value(self, candidate: Candidate, validation: bool = True) -> Interval | None:
        """The metric, with its unit's scale; quality is that of the validation split, or that of test."""
        for key in self.keys:
            found = candidate.metric(validation_key(key) if validation else key)
            if found is not None:
                return found.scaled(METRICS[key].scale)
        return None

    def points(self, candidate: Candidate, validation: bool = True) -> float:
        """The point estimate, larger is better; minus infinity where it is unknown."""
        found, sign = self.value(candidate, validation), 1 if METRICS[self.keys[0]].direction == HIGHER else -1
        return sign * found.value if found is not None else float("-inf")

    def is_known(self, candidate: Candidate) -> bool:
        """Whether the metric is exact, or has an interval that is not very wide."""
        found = self.value(candidate)
        if found is None or not (isfinite(found.low) and isfinite(found.high)):
            return False
        return self.unit == " pp" or (found.low >= found.value / WIDE and found.high <= found.value * WIDE)

    def is_shown(self, one: Candidate, other: Candidate) -> bool:
        """Whether a significant comparison shows that `one` is better than `other`."""
        found = self.compare(one, other) if self.compare is not None else None
        return found is not None and self.tells_apart(found) and self.points(one) > self.points(other)

    def is_close(self, one: Candidate, other: Candidate) -> bool:
        """Whether two point estimates are within the indifference."""
        first, second = self.value(one), self.value(other)
        if first is None or second is None:
            return first is second
        if self.unit == " pp":
            return abs(first.value - second.value) <= self.indifference
        return abs(log(first.value / second.value)) <= log(1 + self.indifference / 100)

    def is_tied(self, one: Candidate, other: Candidate) -> bool:
        """Whether two that are close can't be told apart."""
        if self.compare is None:
            return True
        found = self.compare(one, other)
        return found is not None and not self.tells_apart(found)

    def tells_apart(self, difference: Interval) -> bool:
        """Whether a comparison is significant."""
        return difference.low > 0 or difference.high < 0 if self.unit == " pp" else difference.excludes_1


RANKING = {
    "latency": Preference(("delta/speedup",), 3, " %", speed_ratio),
    "size": Preference(("size/mb",), 1, " %"),
    "accuracy": Preference(
        tuple(f"quality/{name}" for name in HEADLINES), 0.3, " pp", quality_difference
    ),  # changes may be from several baselines
}


def whose(candidates: Sequence[Candidate]) -> str:
    """That a sentence is about these weights, where a candidate is one training."""
    return " (these weights)" if any(len(candidate.rows) == 1 for candidate in candidates) else ""


def front(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The Pareto front of the point estimates, quality on test: no other is at least as fast, small and accurate.

    It ignores intervals and chooses nothing: a candidate may be on it, or off it, by chance.
    """
    points = [[each.points(candidate, validation=False) for each in RANKING.values()] for candidate in candidates]
    return [candidates[index] for index in pareto_front(points)]


def choose(candidates: Sequence[Candidate], prefer: str) -> tuple[Candidate, list[str]]:
    """The best candidate by the preferred metric, and the reasons. The next preference decides a tie, at last the name."""
    if len(candidates) == 1:
        return candidates[0], ["no other candidate keeps the constraints"]
    left, reasons = sorted(candidates, key=lambda candidate: candidate.name), list[str]()
    for name in (prefer, *(other for other in RANKING if other != prefer)):
        preference = RANKING[name]
        kept = _best(left, preference)
        if len(kept) == 1:
            return kept[0], [*reasons, _lead(kept[0], left, name, " of these" if reasons else "")]
        if len(kept) < len(left) or not reasons:
            reasons.append(_tie(kept, name))
        left = kept
    return left[0], [*reasons, f"no preference ranks them; {left[0].name} is the first by name"]


def _best(candidates: Sequence[Candidate], preference: Preference) -> list[Candidate]:
    """The best candidate and those that are tied with it; all of them where the metric is unknown of each."""
    valued = [candidate for candidate in candidates if preference.value(candidate) is not None]
    known = [candidate for candidate in valued if preference.is_known(candidate)]
    if not known:
        return [max(valued, key=preference.points)] if valued else list(candidates)
    best = max(known, key=preference.points)
    better = [each for each in valued if each not in known and preference.is_shown(each, best)]
    if better:
        return [max(better, key=preference.points)]
    return [
        candidate
        for candidate in known
        if candidate is best or (preference.is_close(candidate, best) and preference.is_tied(candidate, best))
    ]


def _tie(tied: Sequence[Candidate], name: str) -> str:
    preference = RANKING[name]
    names = ", ".join(candidate.name for candidate in tied)
    close = f"are within {preference.indifference:g}{preference.unit} of the best"
    return f"in {name}, {names} {close}" + (
        f", and compared with each other they can't be told apart{whose(tied)}" if preference.compare is not None else ""
    )


def _lead(best: Candidate, left: Sequence[Candidate], name: str, among: str) -> str:
    """Why the best one leads: what was shown, or that only its point estimate says so."""
    preference = RANKING[name]
    if preference.compare is None:
        return f"{best.name} is the best in {name}{among}"
    second = max((each for each in left if each is not best), key=preference.points)
    found, among = preference.compare(best, second), among + whose([best, second])
    if preference.points(second) > preference.points(best):
        value = preference.value(second)
        why = "its interval is very wide" if value is not None and isfinite(value.high) else "it has no interval"
        return f"{best.name} is preferred in {name}{among}: the point estimate of {second.name} is better, but {why}"
    if found is None:
        return f"{best.name} has the best point estimate in {name}{among}; its comparison with {second.name} is unknown"
    unit = "x" if preference.unit == " %" else preference.unit
    shown = f"{found.value:.2f}{unit} [{found.low:.2f}, {found.high:.2f}]"
    if preference.tells_apart(found):
        return f"{best.name} is the best in {name}{among}; against {second.name}, the next: {shown}"
    chance = f"against {second.name}, the next, it may be chance: {shown}"
    return f"{best.name} has the best point estimate in {name}{among}; {chance}"
