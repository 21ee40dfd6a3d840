"""Which constraints a candidate fails: each told with the metric and the bound. The registry of metrics declares them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from pipeline.evaluation import metrics
from pipeline.evaluation.metrics import LOWER, Constraint, Metric
from pipeline.evaluation.statistics import Interval
from pipeline.selection.candidate import Candidate

Constraints = Mapping[str, float | None]  # by key, see `pipeline.evaluation.metrics.constraints`; None: no bound


@dataclass(frozen=True)
class Failure:
    """A bound that a candidate fails."""

    key: str
    words: str  # "p95 3.21 ms [3.10, 3.40], at most 3 ms"
    excess: float  # how far it is beyond the bound, as a share of the bound; infinite where the metric is not known


NOT_JUDGED = Failure("trained", "its weights are random, its answers were not judged", float("inf"))
NOT_ASKED = Failure("only", "another one is asked for", float("inf"))


def asked_for(constraints: Constraints) -> dict[str, float]:
    """Those that are given, in their order."""
    return {key: bound for key, bound in constraints.items() if bound is not None}


def failures(candidate: Candidate, constraints: Constraints, strict: bool) -> list[Failure]:
    """The bounds it fails. With `strict` the whole interval must keep a bound, else the metric alone."""
    known, found = metrics.constraints(), []
    for key, bound in asked_for(constraints).items():
        metric, constraint = known[key]
        found.append(_failure(metric, constraint, bound, candidate.metric(metric.key), strict))
    unjudged = [NOT_JUDGED] if candidate.metric("quality/accuracy") is None else []
    return unjudged + [failure for failure in found if failure is not None]


def _failure(
    metric: Metric, constraint: Constraint, given: float, measured: Interval | None, strict: bool
) -> Failure | None:
    bound, at_most = given * constraint.scale + 0.0, metric.direction == LOWER  # no -0
    asked = f"{'at most' if at_most else 'at least'} {bound:g}{metric.unit}"
    if measured is None:
        return Failure(constraint.key, f"{constraint.label} was not measured, {asked} is asked", float("inf"))
    shown = Interval(*(metric.scale * value for value in (measured.value, measured.low, measured.high)))
    worst = (shown.high if at_most else shown.low) if strict else shown.value
    beyond = worst - bound if at_most else bound - worst
    if beyond <= 0:
        return None
    kept = shown.value <= bound if at_most else shown.value >= bound
    doubt = "; the metric keeps it, its interval does not" if kept and isfinite(shown.low) else ""
    words = f"{constraint.label} {_told(shown, metric.unit, constraint.decimals)}, {asked}{doubt}"
    return Failure(constraint.key, words, beyond / max(abs(bound), 1e-9))


def _told(shown: Interval, unit: str, decimals: int) -> str:
    """A metric with its bounds, if it has some, in its unit."""
    if not isfinite(shown.low):
        return f"{shown.value:.{decimals}f}{unit} without an interval"
    bounds = f" [{shown.low:.{decimals}f}, {shown.high:.{decimals}f}]" if shown.low < shown.high else ""
    return f"{shown.value:.{decimals}f}{unit}{bounds}"


def nearest(failed: Sequence[tuple[Candidate, Sequence[Failure]]]) -> tuple[Candidate, Sequence[Failure]]:
    """Of candidates that all fail, the one that fails the fewest bounds, then by the least; of those that are asked for."""
    asked = [each for each in failed if NOT_ASKED not in each[1]]
    return min(asked, key=lambda each: (len(each[1]), sum(failure.excess for failure in each[1]), each[0].name))
