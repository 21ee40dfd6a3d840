"""`Decision`: which optimization is shipped and why, in text and as plain values; `reporting/decision.py` writes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from pipeline.config import Decide
from pipeline.errors import TrackError
from pipeline.errors import nearest as did_you_mean
from pipeline.evaluation import metrics
from pipeline.evaluation.rows import Row, averaged
from pipeline.selection.candidate import Candidate
from pipeline.selection.choose import choose, front
from pipeline.selection.constraints import NOT_REQUESTED, Constraints, Failure, failures, given, nearest


@dataclass(frozen=True)
class Registered:
    """The model version that a decision made the champion."""

    model: str
    version: str
    before: str | None  # the previous champion's version
    checked: str  # what was checked before registering, as text

    def __str__(self) -> str:
        before = "" if self.before in (None, self.version) else f"; version {self.before} is the previous one"
        return f"{self.model} version {self.version}{before}; {self.checked}"


@dataclass(frozen=True)
class Decision:
    """Which optimization is shipped, and why no other is."""

    experiment: str
    constraints: Constraints
    settings: Decide
    candidates: tuple[Candidate, ...]
    failed: tuple[tuple[Failure, ...], ...]  # for each candidate the constraints that it fails
    chosen: Candidate | None
    reasons: tuple[str, ...]  # for the choice among the candidates that keep the constraints
    registered: Registered | None = None

    @property
    def front(self) -> list[str]:
        """Names of the Pareto front over speed-up, size and accuracy."""
        return [candidate.name for candidate in front(self.candidates)]

    def verdict(self) -> str:
        """The decision in one line."""
        if self.chosen is not None:
            return f"{'a dry run: ' if self.settings.dry_run else ''}ship {self.chosen.name}: {'; '.join(self.reasons)}"
        closest, failed = nearest(list(zip(self.candidates, self.failed, strict=True)))
        messages = ", ".join(failure.message for failure in failed)
        return f"no candidate keeps the constraints; the nearest is {closest.name}: {messages}"

    def why_not(self, candidate: Candidate) -> str:
        """Why a candidate is not shipped, with metric and bound; "" for the chosen one."""
        if candidate is self.chosen:
            return ""
        failed = next(failed for each, failed in zip(self.candidates, self.failed, strict=True) if each is candidate)
        if failed:
            return "; ".join(failure.message for failure in failed)
        return f"keeps the constraints, but {'; '.join(self.reasons)}"

    def given_constraints(self) -> list[str]:
        """The constraints in the form in which they are set."""
        return [f"constraints.{key}={bound:g}" for key, bound in given(self.constraints).items()]

    def plain(self) -> dict[str, Any]:
        """The content of `decision.json`."""
        return {
            "experiment": self.experiment,
            "constraints": given(self.constraints),
            "prefer": self.settings.prefer,
            "strict": self.settings.strict,
            "chosen": self.chosen.name if self.chosen is not None else None,
            "run_id": self.chosen.best_run().run_id if self.chosen is not None else None,
            "dry_run": self.settings.dry_run,
            "registered": None if self.registered is None else vars(self.registered),
            "verdict": self.verdict(),
            "pareto_front": self.front,
            "candidates": [
                {
                    "name": candidate.name,
                    "runs": [row.run_id for row in candidate.rows],
                    "rejected": {failure.key: failure.message for failure in failed},
                    "why_not": self.why_not(candidate),
                    "metrics": {metric.key: _bounds(candidate, metric.key) for metric, _ in metrics.constraints().values()},
                }
                for candidate, failed in zip(self.candidates, self.failed, strict=True)
            ],
        }

    def rows(self) -> list[Row]:
        """The candidates' rows; several seeds become one row with their mean."""
        return averaged(row for candidate in self.candidates for row in candidate.rows)


def decide(
    experiment: str,
    candidates: Sequence[Candidate],
    constraints: Constraints,
    settings: Decide,
) -> Decision:
    """Choose the best candidate that keeps the constraints.

    With several seeds, the run that is shipped must keep the constraints too. Raises TrackError where `settings.only` is not
    among the candidates.
    """
    only, strict = settings.only, settings.strict
    names = list(dict.fromkeys(candidate.rows[0].optim for candidate in candidates))
    if only is not None and only not in names:
        raise TrackError(f"decide.only={only}: this optimization has no finished run here{did_you_mean(only, names)}")
    failed = [
        [NOT_REQUESTED]
        if only not in (None, candidate.rows[0].optim)
        else failures(candidate, constraints, strict) or failures(Candidate((candidate.best_run(),)), constraints, strict)
        for candidate in candidates
    ]
    kept = [candidate for candidate, failures in zip(candidates, failed, strict=True) if not failures]
    chosen, reasons = choose(kept, settings.prefer) if kept else (None, [])
    failed_constraints = tuple(map(tuple, failed))
    return Decision(experiment, constraints, settings, tuple(candidates), failed_constraints, chosen, tuple(reasons))


def _bounds(candidate: Candidate, metric: str) -> list[float] | None:
    """A metric and its bounds; the value alone where the bounds are unknown."""
    found = candidate.metric(metric)
    return None if found is None else [value for value in (found.value, found.low, found.high) if isfinite(value)]
