"""The constraints, and which of them a candidate fails: each told with the metric and the bound."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from pipeline.config import Constraints, plain
from pipeline.evaluation.statistics import Interval
from pipeline.selection.candidate import Candidate


@dataclass(frozen=True)
class Limit:
    """One constraint: the metric that it bounds, and how both are shown."""

    key: str  # of `Constraints`
    metric: str
    words: str
    at_most: bool = False
    scale: float = 1.0  # shown = metric * scale
    bound_scale: float = 1.0  # shown = bound * bound_scale
    unit: str = ""
    decimals: int = 2


LIMITS = (
    Limit("latency_p95_ms", "latency/p95_ms", "p95", at_most=True, unit=" ms"),
    Limit("size_mb", "size/mb", "size", at_most=True, unit=" MB", decimals=1),
    Limit("memory_mb", "memory/peak_mb", "peak memory", at_most=True, unit=" MB", decimals=0),
    Limit("speedup", "delta/speedup", "speed-up", unit="x"),
    Limit("accuracy_loss", "delta/accuracy_pp", "change of accuracy", bound_scale=-100, unit=" pp"),
    Limit("f1_macro_loss", "delta/f1_macro_pp", "change of macro F1", bound_scale=-100, unit=" pp"),
    Limit(
        "in_scope_accuracy_loss", "delta/in_scope_accuracy_pp", "change of in-scope accuracy", bound_scale=-100, unit=" pp"
    ),
    Limit("oos_recall_loss", "delta/oos_recall_pp", "change of out-of-scope recall", bound_scale=-100, unit=" pp"),
    Limit("oos_precision_loss", "delta/oos_precision_pp", "change of out-of-scope precision", bound_scale=-100, unit=" pp"),
    Limit("min_accuracy", "quality/accuracy", "accuracy", scale=100, bound_scale=100, unit=" %"),
    Limit("min_f1_macro", "quality/f1_macro", "macro F1", scale=100, bound_scale=100, unit=" %"),
    Limit("min_in_scope_accuracy", "quality/in_scope_accuracy", "in-scope accuracy", scale=100, bound_scale=100, unit=" %"),
    Limit("min_oos_recall", "quality/oos_recall", "out-of-scope recall", scale=100, bound_scale=100, unit=" %"),
    Limit("min_oos_precision", "quality/oos_precision", "out-of-scope precision", scale=100, bound_scale=100, unit=" %"),
)


@dataclass(frozen=True)
class Failure:
    """A bound that a candidate fails."""

    key: str
    words: str  # "p95 3.21 ms [3.10, 3.40], at most 3 ms"
    excess: float  # how far it is beyond the bound, as a share of the bound; infinite where the metric is not known


NOT_JUDGED = Failure("trained", "its weights are random, its answers were not judged", float("inf"))
NOT_ASKED = Failure("only", "another one is asked for", float("inf"))


def limits_of(constraints: Constraints) -> list[tuple[Limit, float]]:
    """Those that are given."""
    given = plain(constraints)
    return [(limit, given[limit.key]) for limit in LIMITS if given[limit.key] is not None]


def failures(candidate: Candidate, constraints: Constraints, strict: bool) -> list[Failure]:
    """The bounds it fails. With `strict` the whole interval must keep a bound, else the metric alone."""
    found = (_failure(limit, bound, candidate.metric(limit.metric), strict) for limit, bound in limits_of(constraints))
    unjudged = [NOT_JUDGED] if candidate.metric("quality/accuracy") is None else []
    return unjudged + [failure for failure in found if failure is not None]


def _failure(limit: Limit, given: float, metric: Interval | None, strict: bool) -> Failure | None:
    bound = given * limit.bound_scale + 0.0  # no -0
    asked = f"{'at most' if limit.at_most else 'at least'} {bound:g}{limit.unit}"
    if metric is None:
        return Failure(limit.key, f"{limit.words} was not measured, {asked} is asked", float("inf"))
    shown = Interval(*(limit.scale * value for value in (metric.value, metric.low, metric.high)))
    worst = (shown.high if limit.at_most else shown.low) if strict else shown.value
    beyond = worst - bound if limit.at_most else bound - worst
    if beyond <= 0:
        return None
    kept = shown.value <= bound if limit.at_most else shown.value >= bound
    doubt = "; the metric keeps it, its interval does not" if kept and isfinite(shown.low) else ""
    return Failure(limit.key, f"{limit.words} {told(shown, limit)}, {asked}{doubt}", beyond / max(abs(bound), 1e-9))


def told(shown: Interval, limit: Limit) -> str:
    """A metric with its bounds, if it has some, in the limit's unit."""
    if not isfinite(shown.low):
        return f"{shown.value:.{limit.decimals}f}{limit.unit} without an interval"
    bounds = f" [{shown.low:.{limit.decimals}f}, {shown.high:.{limit.decimals}f}]" if shown.low < shown.high else ""
    return f"{shown.value:.{limit.decimals}f}{limit.unit}{bounds}"


def nearest(failed: Sequence[tuple[Candidate, Sequence[Failure]]]) -> tuple[Candidate, Sequence[Failure]]:
    """Of candidates that all fail, the one that fails the fewest bounds, then by the least; of those that are asked for."""
    asked = [each for each in failed if NOT_ASKED not in each[1]]
    return min(asked, key=lambda each: (len(each[1]), sum(failure.excess for failure in each[1]), each[0].name))
