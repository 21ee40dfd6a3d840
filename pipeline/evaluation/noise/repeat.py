"""Measures a classifier against itself: one session of pairs after the other, the machine to itself in each of them.

Every session spends its whole budget, whatever the precision: what a shorter one would have said follows from its first
pairs.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from pipeline.config import Measure, Noise
from pipeline.evaluation.latency.pairs import Session, Subject, compare
from pipeline.evaluation.latency.samples import Pair
from pipeline.evaluation.report import descheduled_reason
from pipeline.system import locks, machine
from pipeline.system.machine import Conditions
from pipeline.system.progress import bar

NEVER_PRECISE = 1e-12  # a precision that no interval has
SOME_BUDGET_S = 1e-9  # at least: without a budget there were one pair, which has no interval


@dataclass(frozen=True)
class Repetition:
    """One session: its pairs, and what the machine did meanwhile."""

    pairs: tuple[Pair, ...]
    conditions: Conditions

    @property
    def contended(self) -> str:
        """Why it is doubtful, in one phrase; "" where nothing is known against it."""
        blocks = [block for pair in self.pairs for one in (pair.candidate, pair.baseline) for block in one.blocks]
        share = sum(block.descheduled for block in blocks) / len(blocks) if blocks else None
        return self.conditions.contended or descheduled_reason(share)


def repeat(artifact: Path, queries: list[str], measure: Measure, settings: Noise) -> Iterator[Repetition]:
    """So many sessions of the artifact, slowed where that is asked for, against the artifact as it is.

    Other jobs of this program get their turn between two sessions. Raises MeasureError when a worker process fails.
    """
    whole = replace(measure, precision=NEVER_PRECISE, max_seconds=max(measure.max_seconds, SOME_BUDGET_S))
    with bar("measuring it against itself", "repetition", settings.repetitions) as progress:
        for _ in range(settings.repetitions):
            with locks.exclusive():
                watch = machine.LoadMonitor.start()
                session = Session(queries, whole, machine.least_busy_cores(measure.threads), tqdm(disable=True))
                pairs, _ = compare(Subject(artifact, settings.slowdown), Subject(artifact), session)
                conditions = watch.stop()
            yield Repetition(pairs, conditions)
            progress.update(1)
