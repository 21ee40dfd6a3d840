"""What was decided, in words and as plain values; `pipeline.reporting.decision` writes it down."""

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
from pipeline.selection.constraints import NOT_ASKED, Constraints, Failure, asked_for, failures, nearest


@dataclass(frozen=True)
class Registered:
    """The version that a decision has made the champion."""

    model: str
    version: str
    before: str | None  # the champion's version before
    checked: str  # what was checked before, in words

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
    failed: tuple[tuple[Failure, ...], ...]  # of each candidate the bounds that it fails
    chosen: Candidate | None
    words: tuple[str, ...]  # how one was chosen of those that keep the constraints
    registered: Registered | None = None

    @property
    def front(self) -> list[str]:
        """Names of the Pareto front over speed-up, size and accuracy."""
        return [candidate.name for candidate in front(self.candidates)]

    def verdict(self) -> str:
        """In one line."""
        if self.chosen is not None:
            return f"{'a dry run: ' if self.settings.dry_run else ''}ship {self.chosen.name}: {'; '.join(self.words)}"
        closest, failed = nearest(list(zip(self.candidates, self.failed, strict=True)))
        return f"nothing keeps the constraints; nearest is {closest.name}: {', '.join(failure.words for failure in failed)}"

    def why_not(self, candidate: Candidate) -> str:
        """Why a candidate is not shipped, with metric and bound; "" for the one that is."""
        if candidate is self.chosen:
            return ""
        failed = next(failed for each, failed in zip(self.candidates, self.failed, strict=True) if each is candidate)
        if failed:
            return "; ".join(failure.words for failure in failed)
        return f"keeps the constraints, but {'; '.join(self.words)}"

    def asked(self) -> list[str]:
        """The constraints as they were given."""
        return [f"constraints.{key}={bound:g}" for key, bound in asked_for(self.constraints).items()]

    def plain(self) -> dict[str, Any]:
        """For `decision.json`."""
        return {
            "experiment": self.experiment,
            "constraints": asked_for(self.constraints),
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
                    "rejected": {failure.key: failure.words for failure in failed},
                    "why_not": self.why_not(candidate),
                    "metrics": {metric.key: _bounds(candidate, metric.key) for metric, _ in metrics.constraints().values()},
                }
                for candidate, failed in zip(self.candidates, self.failed, strict=True)
            ],
        }

    def rows(self) -> list[Row]:
        """The candidates' rows, several seeds of one as their mean."""
        return averaged(row for candidate in self.candidates for row in candidate.rows)


def decide(
    experiment: str,
    candidates: Sequence[Candidate],
    constraints: Constraints,
    settings: Decide,
) -> Decision:
    """Of candidates that compare, the best that keeps the constraints; of several seeds, the run that is shipped must too.

    Raises TrackError where only one may be chosen and it is not among them.
    """
    only, strict = settings.only, settings.strict
    names = list(dict.fromkeys(candidate.rows[0].optim for candidate in candidates))
    if only is not None and only not in names:
        raise TrackError(f"decide.only={only}: it has no finished run here{did_you_mean(only, names)}")
    failed = [
        [NOT_ASKED]
        if only not in (None, candidate.rows[0].optim)
        else failures(candidate, constraints, strict) or failures(Candidate((candidate.best_run(),)), constraints, strict)
        for candidate in candidates
    ]
    kept = [candidate for candidate, failures in zip(candidates, failed, strict=True) if not failures]
    chosen, words = choose(kept, settings.prefer) if kept else (None, [])
    told = tuple(map(tuple, failed))
    return Decision(experiment, constraints, settings, tuple(candidates), told, chosen, tuple(words))


def _bounds(candidate: Candidate, metric: str) -> list[float] | None:
    """A metric and its bounds, without them where nothing is known of them."""
    found = candidate.metric(metric)
    return None if found is None else [value for value in (found.value, found.low, found.high) if isfinite(value)]
