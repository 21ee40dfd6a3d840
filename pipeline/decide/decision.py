"""What was decided, as `decision.json` for programs and `decision.md` to read."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from pipeline import compare
from pipeline.config import Budget
from pipeline.decide.candidate import Candidate
from pipeline.decide.choose import choose, front
from pipeline.decide.limits import LIMITS, NOT_ASKED, Failure, failures, limits_of, nearest
from pipeline.errors import TrackError
from pipeline.errors import nearest as did_you_mean
from pipeline.rows import averaged


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
    budget: Budget
    prefer: str
    strict: bool
    candidates: tuple[Candidate, ...]
    failed: tuple[tuple[Failure, ...], ...]  # of each candidate the bounds that it fails
    chosen: Candidate | None
    words: tuple[str, ...]  # how one was chosen of those that keep the budget
    dry_run: bool = False
    registered: Registered | None = None

    @property
    def front(self) -> list[str]:
        """Names of the Pareto front over speed-up, size and accuracy."""
        return [candidate.name for candidate in front(self.candidates)]

    def verdict(self) -> str:
        """In one line."""
        if self.chosen is not None:
            return f"{'a dry run: ' if self.dry_run else ''}ship {self.chosen.name}: {'; '.join(self.words)}"
        closest, failed = nearest(list(zip(self.candidates, self.failed, strict=True)))
        return f"nothing keeps the budget; nearest is {closest.name}: {', '.join(failure.words for failure in failed)}"

    def why_not(self, candidate: Candidate) -> str:
        """Why a candidate is not shipped, with figure and bound; "" for the one that is."""
        if candidate is self.chosen:
            return ""
        failed = next(failed for each, failed in zip(self.candidates, self.failed, strict=True) if each is candidate)
        if failed:
            return "; ".join(failure.words for failure in failed)
        return f"keeps the budget, but {'; '.join(self.words)}"

    def asked(self) -> list[str]:
        """The budget's bounds as they were given."""
        return [f"budget.{limit.key}={bound:g}" for limit, bound in limits_of(self.budget)]

    def plain(self) -> dict[str, Any]:
        """For `decision.json`."""
        return {
            "experiment": self.experiment,
            "budget": {limit.key: bound for limit, bound in limits_of(self.budget)},
            "prefer": self.prefer,
            "strict": self.strict,
            "chosen": self.chosen.name if self.chosen is not None else None,
            "run_id": self.chosen.best_run().run_id if self.chosen is not None else None,
            "dry_run": self.dry_run,
            "registered": None if self.registered is None else vars(self.registered),
            "verdict": self.verdict(),
            "pareto_front": self.front,
            "candidates": [
                {
                    "name": candidate.name,
                    "runs": [row.run_id for row in candidate.rows],
                    "rejected": {failure.key: failure.words for failure in failed},
                    "why_not": self.why_not(candidate),
                    "figures": {limit.metric: _bounds(candidate, limit.metric) for limit in LIMITS},
                }
                for candidate, failed in zip(self.candidates, self.failed, strict=True)
            ],
        }

    def page(self, explained: str) -> str:
        """`decision.md`; `explained` is what the table's figures mean."""
        how = "the whole 95 % interval of a figure must keep its bound" if self.strict else "figures without their intervals"
        lines = [
            f"# Decision: {self.experiment}",
            f"**{self.verdict()}**",
            f"Asked for: {', '.join(self.asked()) or 'no bounds'}, prefer={self.prefer} ({how}).",
        ]
        if self.registered is not None:
            lines.append(f"Registered as {self.registered}.")
        doubtful = [f"{row.name}: {row.contended}" for row in self._rows() if row.contended]
        if doubtful:
            lines.append(f"Measured on a busy machine, so doubtful: {'; '.join(doubtful)}.")
        lines += [
            "## Why not the others",
            "\n".join(f"- **{c.name}**: {self.why_not(c)}" for c in self.candidates if c is not self.chosen)
            or "There is none.",
            "## All of them",
            compare.table(self._rows()).markdown(),
            f"None is as fast, as small and as accurate as one of these (Pareto front): {', '.join(self.front)}.",
            "![Accuracy over latency](comparison.png)",
            explained,
        ]
        return "\n\n".join(lines) + "\n"

    def _rows(self) -> list[Any]:
        return averaged(row for candidate in self.candidates for row in candidate.rows)

    def write(self, folder: Path, explained: str) -> None:
        """decision.json, decision.md and the figures."""
        chosen = self.chosen.rows[0].optim if self.chosen is not None else None
        compare.write(self._rows(), chosen, self.experiment, folder, explained)
        (folder / "decision.json").write_text(json.dumps(self.plain(), indent=1, allow_nan=False) + "\n", encoding="utf-8")
        (folder / "decision.md").write_text(self.page(explained), encoding="utf-8")


def decide(
    experiment: str,
    candidates: Sequence[Candidate],
    budget: Budget,
    prefer: str,
    strict: bool,
    dry_run: bool = False,
    only: str | None = None,
) -> Decision:
    """Of candidates that compare, the best that keeps the budget; of several seeds, the run that is shipped must too.

    Raises TrackError where only one may be chosen and it is not among them.
    """
    names = list(dict.fromkeys(candidate.rows[0].optim for candidate in candidates))
    if only is not None and only not in names:
        raise TrackError(f"only={only}: it has no finished run here{did_you_mean(only, names)}")
    failed = [
        [NOT_ASKED]
        if only not in (None, candidate.rows[0].optim)
        else failures(candidate, budget, strict) or failures(Candidate((candidate.best_run(),)), budget, strict)
        for candidate in candidates
    ]
    kept = [candidate for candidate, failures in zip(candidates, failed, strict=True) if not failures]
    chosen, words = choose(kept, prefer) if kept else (None, [])
    told = tuple(map(tuple, failed))
    return Decision(experiment, budget, prefer, strict, tuple(candidates), told, chosen, tuple(words), dry_run)


def _bounds(candidate: Candidate, metric: str) -> list[float] | None:
    """A figure and its bounds, without them where nothing is known of them."""
    figure = candidate.figure(metric)
    return None if figure is None else [value for value in (figure.value, figure.low, figure.high) if isfinite(value)]
