"""The constraints that a candidate fails, with metric and bound. The registry of metrics declares the constraints.

Bounds on quality are judged on the validation split, and once more on test for the one that was chosen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite

from pipeline.evaluation import metrics
from pipeline.evaluation.metrics import LOWER, Constraint, Metric, validation_key
from pipeline.evaluation.statistics import Interval
from pipeline.selection import classes
from pipeline.selection.candidate import Candidate
from pipeline.selection.milliseconds import BaselineLatency

VALIDATION, TEST = "validation", "test"  # the split that chooses, and the one that confirms
Constraints = Mapping[str, float | None]  # bounds by key, see `pipeline.evaluation.metrics.constraints`; None: no bound


@dataclass(frozen=True)
class Failure:
    """A constraint that a candidate fails."""

    key: str
    message: str  # "p95 3.21 ms [3.10, 3.40], at most 3 ms"
    excess: float  # distance beyond the bound, as a share of the bound; infinite where the metric is unknown


UNTRAINED = Failure("trained", "its weights are random, so its answers were not measured", inf)
TOO_OLD = Failure("validation", "its run has no metrics of the validation split, which chooses; run it again", inf)
NOT_REQUESTED = Failure("only", "decide.only requests another one", inf)


def given(constraints: Constraints) -> dict[str, float]:
    """The constraints with a bound."""
    return {key: bound for key, bound in constraints.items() if bound is not None}


@dataclass(frozen=True)
class Rules:
    """How candidates are judged."""

    constraints: Constraints
    strict: bool  # the whole interval must keep the bound, else the value
    baseline: BaselineLatency = field(default_factory=BaselineLatency)

    def failures(self, candidate: Candidate, split: str = VALIDATION) -> list[Failure]:
        """The constraints that a candidate fails. Its quality is that on the validation split, or on test."""
        untrained = candidate.metric("quality/accuracy") is None
        if not untrained and split == VALIDATION and candidate.metric(validation_key("quality/accuracy")) is None:
            return [TOO_OLD]
        known = metrics.constraints()
        found = [self._failure(candidate, *known[key], bound, split) for key, bound in given(self.constraints).items()]
        return [UNTRAINED] * untrained + [failure for failure in found if failure is not None]

    def notes(self) -> list[str]:
        """What a user must know about the constraints that are given."""
        found = []
        for key in given(self.constraints):
            metric, constraint = metrics.constraints()[key]
            if metric.unit == " ms":
                found.append(self.baseline.note(metric.key))
            if metric.once:
                found.append(f"{constraint.label} is one measurement without an interval: its bound may be kept by chance")
        return found

    def _failure(
        self, candidate: Candidate, metric: Metric, constraint: Constraint, value: float, split: str
    ) -> Failure | None:
        bound, at_most = value * constraint.scale + 0.0, metric.direction == LOWER  # + 0.0: no -0
        key = validation_key(metric.key) if split == VALIDATION else metric.key
        of_split = f" on {split}" if validation_key(metric.key) != metric.key else ""
        required = f"{'at most' if at_most else 'at least'} {bound:g}{metric.unit}"
        pooled = self.baseline.judges(key)
        measured = self.baseline.latency(candidate, key) if pooled else candidate.metric(key)
        if measured is None and constraint.default is not None:
            return None  # nobody asked for it, and it does not apply to what was not quantized
        which = classes.told(key, candidate.evidence)
        if measured is None:
            why = f"{constraint.label} was not measured{of_split}{which}, {required} is required"
            return Failure(constraint.key, why, inf)
        flips = _flips(candidate, split)
        if flips < metric.min_flips and not candidate.is_baseline:
            why = (
                f"can't be judged: only {flips:g} texts flipped, {metric.min_flips} are needed; bound accuracy_loss instead"
            )
            return Failure(constraint.key, f"{constraint.label}{of_split} {why}", inf)
        shown = measured.scaled(metric.scale)
        worst = (shown.high if at_most else shown.low) if self.strict else shown.value
        beyond, at_value = (each - bound if at_most else bound - each for each in (worst, shown.value))
        if beyond <= 0:
            return None
        doubt = "; the value keeps it, its interval does not" if at_value <= 0 and isfinite(shown.low) else ""
        missed = f"; missed by {beyond:.{constraint.decimals}f}{metric.unit}" if split == TEST and isfinite(beyond) else ""
        once = " (one measurement without an interval)" if metric.once and shown.low == shown.high else ""
        ratio = f" (the baseline's {self.baseline.pooled(key):.2f} ms, by the ratio)" if pooled else ""
        text = f"{constraint.label}{of_split} {_formatted(shown, metric.unit, constraint.decimals)}{once}{ratio}{which}"
        allows = "" if constraint.default is None else f" (constraints.{constraint.key}=null allows it)"
        return Failure(constraint.key, f"{text}, {required}{doubt}{missed}{allows}", beyond / max(abs(bound), 1e-9))


def _flips(candidate: Candidate, split: str) -> float:
    """How many texts one of candidate and baseline answers better; of several seeds, the fewest.

    An older run only tells which are right for one of the two alone, which is the same of one label a text.
    """
    changed, *flips = (
        validation_key(key) if split == VALIDATION else key for key in ("delta/changed", "delta/gained", "delta/lost")
    )
    return min(row.metrics.get(changed, sum(row.metrics.get(key, 0.0) for key in flips)) for row in candidate.rows)


def formatted(candidate: Candidate, key: str) -> str:
    """A metric of a candidate in its unit, with its bounds if it has any; "unknown" without one."""
    metric, found = metrics.METRICS[key], candidate.metric(key)
    if found is None:
        return "unknown"
    return _formatted(found.scaled(metric.scale), metric.unit, 2)


def _formatted(shown: Interval, unit: str, decimals: int) -> str:
    """A value with its unit, and its bounds if it has any."""
    if not isfinite(shown.low):
        return f"{shown.value:.{decimals}f}{unit} without an interval"
    bounds = f" [{shown.low:.{decimals}f}, {shown.high:.{decimals}f}]" if shown.low < shown.high else ""
    return f"{shown.value:.{decimals}f}{unit}{bounds}"


def nearest(failed: Sequence[tuple[Candidate, Sequence[Failure]]]) -> tuple[Candidate, Sequence[Failure]]:
    """Of candidates that all fail, the one that fails the fewest constraints, then by the smallest excess.

    One that lacks a metric comes after those that lack none.
    """

    def distance(each: tuple[Candidate, Sequence[Failure]]) -> tuple[bool, int, float, str]:
        excess = sum(failure.excess for failure in each[1])
        return not isfinite(excess), len(each[1]), excess, each[0].name

    return min((each for each in failed if NOT_REQUESTED not in each[1]), key=distance)
