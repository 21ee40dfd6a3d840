"""The constraints that a candidate fails, with metric and bound. The registry of metrics declares the constraints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from pipeline.evaluation import metrics
from pipeline.evaluation.metrics import LOWER, Constraint, Metric
from pipeline.evaluation.statistics import Interval
from pipeline.selection.candidate import Candidate

Constraints = Mapping[str, float | None]  # bounds by key, see `pipeline.evaluation.metrics.constraints`; None: no bound


@dataclass(frozen=True)
class Failure:
    """A constraint that a candidate fails."""

    key: str
    message: str  # "p95 3.21 ms [3.10, 3.40], at most 3 ms"
    excess: float  # distance beyond the bound, as a share of the bound; infinite where the metric is unknown


UNTRAINED = Failure("trained", "its weights are random, so its answers were not measured", float("inf"))
NOT_REQUESTED = Failure("only", "decide.only requests another one", float("inf"))


def given(constraints: Constraints) -> dict[str, float]:
    """The constraints with a bound."""
    return {key: bound for key, bound in constraints.items() if bound is not None}


def failures(candidate: Candidate, constraints: Constraints, strict: bool) -> list[Failure]:
    """The constraints that a candidate fails. With `strict` the whole interval must keep the bound, else the value."""
    known, found = metrics.constraints(), []
    for key, bound in given(constraints).items():
        metric, constraint = known[key]
        measured = candidate.metric(metric.key)
        if measured is not None or constraint.default is None:
            found.append(_failure(metric, constraint, bound, measured, strict))
    untrained = [UNTRAINED] if candidate.metric("quality/accuracy") is None else []
    return untrained + [failure for failure in found if failure is not None]


def _failure(
    metric: Metric, constraint: Constraint, value: float, measured: Interval | None, strict: bool
) -> Failure | None:
    bound, at_most = value * constraint.scale + 0.0, metric.direction == LOWER  # + 0.0: no -0
    required = f"{'at most' if at_most else 'at least'} {bound:g}{metric.unit}"
    if measured is None:
        return Failure(constraint.key, f"{constraint.label} was not measured, {required} is required", float("inf"))
    shown = Interval(*(metric.scale * value for value in (measured.value, measured.low, measured.high)))
    worst = (shown.high if at_most else shown.low) if strict else shown.value
    beyond = worst - bound if at_most else bound - worst
    if beyond <= 0:
        return None
    kept = shown.value <= bound if at_most else shown.value >= bound
    doubt = "; the value keeps it, its interval does not" if kept and isfinite(shown.low) else ""
    allows = "" if constraint.default is None else f" (constraints.{constraint.key}=null allows it)"
    message = f"{constraint.label} {_formatted(shown, metric.unit, constraint.decimals)}, {required}{doubt}{allows}"
    return Failure(constraint.key, message, beyond / max(abs(bound), 1e-9))


def _formatted(shown: Interval, unit: str, decimals: int) -> str:
    """A value with its unit, and its bounds if it has any."""
    if not isfinite(shown.low):
        return f"{shown.value:.{decimals}f}{unit} without an interval"
    bounds = f" [{shown.low:.{decimals}f}, {shown.high:.{decimals}f}]" if shown.low < shown.high else ""
    return f"{shown.value:.{decimals}f}{unit}{bounds}"


def nearest(failed: Sequence[tuple[Candidate, Sequence[Failure]]]) -> tuple[Candidate, Sequence[Failure]]:
    """Of candidates that all fail, the one that fails the fewest constraints, then by the smallest excess."""
    requested = [each for each in failed if NOT_REQUESTED not in each[1]]
    return min(requested, key=lambda each: (len(each[1]), sum(failure.excess for failure in each[1]), each[0].name))
