"""Measure a classifier against itself in many sessions of pairs. No other job of this program runs during a session.

Every session uses all its time, whatever the precision: its first pairs show what a shorter session would have found.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from pipeline.config import Measure, Noise
from pipeline.evaluation.latency.pairs import Session, Subject, compare
from pipeline.evaluation.latency.samples import Pair
from pipeline.evaluation.report import descheduling_message
from pipeline.system import locks, machine
from pipeline.system.machine import Conditions
from pipeline.system.progress import bar

NEVER_PRECISE = 1e-12  # a precision that no interval has
MIN_SECONDS = 1e-9  # with 0 seconds there would be one pair, which has no interval


@dataclass(frozen=True)
class Repetition:
    """One session: its pairs, and the conditions of the machine meanwhile."""

    pairs: tuple[Pair, ...]
    conditions: Conditions

    @property
    def contended(self) -> str:
        """Why it is doubtful, in one phrase; "" where it is not."""
        blocks = [block for pair in self.pairs for one in (pair.candidate, pair.baseline) for block in one.blocks]
        share = sum(block.descheduled for block in blocks) / len(blocks) if blocks else None
        return self.conditions.contended or descheduling_message(share)


def repeat(artifact: Path, queries: list[str], measure: Measure, settings: Noise) -> Iterator[Repetition]:
    """Sessions that compare the artifact, slowed by `settings.slowdown`, with the unchanged artifact.

    Other jobs of this program may run between two sessions. Raises MeasureError when a worker process fails.
    """
    whole = replace(measure, precision=NEVER_PRECISE, max_seconds=max(measure.max_seconds, MIN_SECONDS))
    with bar("measuring it against itself", "repetition", settings.repetitions) as progress:
        for _ in range(settings.repetitions):
            with locks.exclusive():
                watch = machine.LoadMonitor.start()
                session = Session(queries, whole, machine.least_busy_cores(measure.threads), tqdm(disable=True))
                pairs, _ = compare(Subject(artifact, settings.slowdown), Subject(artifact), session)
                conditions = watch.stop()
            yield Repetition(pairs, conditions)
            progress.update(1)
