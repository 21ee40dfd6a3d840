"""`Decision`: which optimization is shipped and why, in text and as plain values; `reporting/decision.py` writes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from pipeline.config import Decide
from pipeline.errors import TrackError
from pipeline.errors import nearest as did_you_mean
from pipeline.evaluation import metrics
from pipeline.evaluation.metrics import headline, quality_label, validation_key
from pipeline.evaluation.rows import Row, averaged
from pipeline.selection import classes
from pipeline.selection.candidate import Candidate
from pipeline.selection.choose import choose, front, whose
from pipeline.selection.constraints import (
    NOT_REQUESTED,
    TEST,
    VALIDATION,
    Constraints,
    Failure,
    Rules,
    formatted,
    given,
    nearest,
)
from pipeline.selection.milliseconds import BaselineLatency
from pipeline.selection.optimism import flattered
from pipeline.system.units import ordinal


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
    """Which optimization is shipped, and why no other is.

    Validation chooses, and test confirms the one chosen. At most one of `chosen` and `unconfirmed` is set.
    """

    experiment: str
    constraints: Constraints
    settings: Decide
    candidates: tuple[Candidate, ...]
    failed: tuple[tuple[Failure, ...], ...]  # for each candidate the constraints that it fails; on test for `unconfirmed`
    chosen: Candidate | None  # chosen and confirmed: it is shipped
    reasons: tuple[str, ...]  # for the choice among the candidates that keep the constraints
    chosen_among: int  # candidates that were judged; 1 where `settings.only` names one, which is only confirmed
    unconfirmed: Candidate | None = None  # chosen, but not confirmed
    notes: tuple[str, ...] = ()  # what must be known about the constraints
    confirmations: int = 1  # on this test split, this one included
    registered: Registered | None = None

    @property
    def picked(self) -> Candidate | None:
        """The one that validation chose or `settings.only` named, which test then judged; None without one."""
        return self.chosen or self.unconfirmed

    @property
    def front(self) -> list[str]:
        """Names of the Pareto front of the point estimates of speed-up, size and accuracy on test."""
        return [candidate.name for candidate in front(self.candidates)]

    def verdict(self) -> str:
        """The decision in one line."""
        if self.chosen is not None:
            dry = "a dry run: " if self.settings.dry_run else ""
            return f"{dry}ship {self.chosen.name}: {'; '.join(self.reasons)}{self._how_often()}"
        if self.unconfirmed is not None:
            return (
                f"not confirmed: {self.unconfirmed.name}{whose([self.unconfirmed])} {self._how_chosen()}, but on the "
                f"test split it fails: {self._failures_of(self.unconfirmed)}. Nothing is shipped, "
                f"and no other is tried: test would choose then{self._how_often()}"
            )
        closest, failed = nearest(list(zip(self.candidates, self.failed, strict=True)))
        messages = ", ".join(failure.message for failure in failed)
        return f"no candidate keeps the constraints; the nearest is {closest.name}: {messages}"

    def reported(self) -> str:
        """The accuracy (or micro F1) to report, and that on validation; "" where no candidate was chosen."""
        picked = self.picked
        if picked is None:
            return ""
        whose = "these weights" if len(picked.rows) == 1 else f"{len(picked.rows)} seeds"
        name = headline(picked.rows[0].metrics)
        key, label = f"quality/{name}", quality_label(name)
        test = formatted(picked, key)
        change = "" if picked.is_baseline else f" ({formatted(picked, f'delta/{name}_pp')} against the baseline)"
        return (
            f"{label} of {whose} on test: {test}{change}; this is the one to report. On validation, where it "
            f"{self._how_chosen()}, it is {formatted(picked, validation_key(key))}"
        )

    def _to_report(self, picked: Candidate) -> dict[str, Any]:
        """The quality on test of the one that was chosen, and its change, with bounds."""
        name = headline(picked.rows[0].metrics)
        return {key: _bounds(picked, key) for key in (f"quality/{name}", f"delta/{name}_pp")}

    def _how_often(self) -> str:
        if self.confirmations == 1:
            return ""
        count = ordinal(self.confirmations)
        return f"; it is the {count} confirmation on this test split: with each, it is likelier that one passes by chance"

    def _how_chosen(self) -> str:
        if self.chosen_among > 1:
            return f"was chosen among {self.chosen_among}"
        return "was the only one" if self.settings.only is None else "was requested by decide.only"

    def _failures_of(self, candidate: Candidate) -> str:
        failed = next(failed for each, failed in zip(self.candidates, self.failed, strict=True) if each is candidate)
        return "; ".join(failure.message for failure in failed)

    def why_not(self, candidate: Candidate) -> str:
        """Why a candidate is not shipped, with metric and bound; "" for the chosen one."""
        if candidate is self.chosen:
            return ""
        if candidate is self.unconfirmed:
            return f"{self._how_chosen()}, not confirmed on test: {self._failures_of(candidate)}"
        return self._failures_of(candidate) or f"keeps the constraints, but {'; '.join(self.reasons)}"

    def given_constraints(self) -> list[str]:
        """The constraints in the form in which they are set."""
        return [f"constraints.{key}={bound:g}" for key, bound in given(self.constraints).items()]

    def plain(self) -> dict[str, Any]:
        """The content of `decision.json`."""
        picked = self.picked
        return {
            "experiment": self.experiment,
            "constraints": given(self.constraints),
            "prefer": self.settings.prefer,
            "strict": self.settings.strict,
            "only": self.settings.only,
            "chosen": self.chosen.name if self.chosen is not None else None,
            "run_id": self.chosen.best_run().run_id if self.chosen is not None else None,
            "chosen_among": self.chosen_among,
            "confirmed": None if picked is None else picked is self.chosen,
            "unconfirmed": self.unconfirmed.name if self.unconfirmed is not None else None,
            "confirmations": self.confirmations,
            "to_report": None if picked is None else self._to_report(picked),
            "reported": self.reported(),
            "dry_run": self.settings.dry_run,
            "registered": None if self.registered is None else vars(self.registered),
            "verdict": self.verdict(),
            "notes": list(self.notes),
            "pareto_front": self.front,
            "candidates": [
                {
                    "name": candidate.name,
                    "runs": [row.run_id for row in candidate.rows],
                    "rejected": {failure.key: failure.message for failure in failed},
                    "why_not": self.why_not(candidate),
                    "metrics": _of_constraints(candidate),
                }
                for candidate, failed in zip(self.candidates, self.failed, strict=True)
            ],
        }

    def rows(self) -> list[Row]:
        """The candidates' rows; several seeds become one row with their mean."""
        return averaged(row for candidate in self.candidates for row in candidate.rows)


def decide(experiment: str, candidates: Sequence[Candidate], constraints: Constraints, settings: Decide) -> Decision:
    """Choose the best candidate that keeps the constraints on validation, then confirm it on test, once.

    With `settings.only` that names one candidate, only the second step is done. With several seeds, the run that is shipped
    must keep the constraints too. Raises TrackError where `settings.only` is not among the candidates.
    """
    rules = Rules(constraints, settings.strict, BaselineLatency.of(candidates))

    def judged(candidate: Candidate, split: str) -> list[Failure]:
        alone = [Candidate((candidate.best_run(),))] if len(candidate.rows) > 1 else []
        return next(filter(None, (rules.failures(each, split) for each in (candidate, *alone))), [])

    asked = _requested(candidates, settings.only)
    failed = [[] if candidate in asked else [NOT_REQUESTED] for candidate in candidates]
    picked: Candidate | None
    if settings.only is not None and len(asked) == 1:
        picked, reasons = asked[0], ["decide.only requests it, and it keeps the constraints on test"]
    else:
        failed = [has or judged(candidate, VALIDATION) for candidate, has in zip(candidates, failed, strict=True)]
        kept = [candidate for candidate, has in zip(candidates, failed, strict=True) if not has]
        picked, reasons = choose(kept, settings.prefer) if kept else (None, [])
    missed = judged(picked, TEST) if picked is not None else []
    failed = [missed if candidate is picked else has for candidate, has in zip(candidates, failed, strict=True)]
    small = classes.notes((picked or candidates[0]).evidence, list(given(constraints)))
    notes = (*_baselines(candidates), *rules.notes(), *small, *flattered(picked, candidates))
    return Decision(
        experiment, constraints, settings, tuple(candidates), tuple(map(tuple, failed)), None if missed else picked,
        tuple(reasons), len(asked), picked if missed else None, notes,
    )  # fmt: skip


def _baselines(candidates: Sequence[Candidate]) -> list[str]:
    """A note where there are several baselines."""
    names = [candidate.name for candidate in candidates if candidate.is_baseline]
    if len(names) < 2:
        return []
    return [f"there are {len(names)} baselines ({', '.join(names)}): changes and speed-ups are against the one of each run"]


def _requested(candidates: Sequence[Candidate], only: str | None) -> list[Candidate]:
    """The candidates that may be chosen. Raises TrackError where there is none of this name."""
    found = [candidate for candidate in candidates if only in (None, candidate.name, candidate.rows[0].optim)]
    if not found:
        names = list(dict.fromkeys(candidate.rows[0].optim for candidate in candidates))
        raise TrackError(f"decide.only={only}: this optimization has no finished run here{did_you_mean(str(only), names)}")
    return found


def _of_constraints(candidate: Candidate) -> dict[str, list[float] | None]:
    """The metrics that constraints bound, on test and on validation."""
    keys = [metric.key for metric, _ in metrics.constraints().values()]
    return {key: _bounds(candidate, key) for each in keys for key in dict.fromkeys((each, validation_key(each)))}


def _bounds(candidate: Candidate, metric: str) -> list[float] | None:
    """A metric and its bounds; the value alone where the bounds are unknown."""
    found = candidate.metric(metric)
    return None if found is None else [value for value in (found.value, found.low, found.high) if isfinite(value)]
