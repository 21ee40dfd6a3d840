"""Measure a classifier against itself, and against the baseline, in many sessions of pairs.

No other job of this program runs during a session. A session against itself uses all its time, whatever the precision: its
first pairs show what a shorter session would have found. A session against the baseline is an ordinary measurement.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from pipeline.config import Measure, Noise
from pipeline.evaluation.latency.pairs import Session, Subject, compare
from pipeline.evaluation.latency.samples import Pair
from pipeline.evaluation.report import descheduling_message
from pipeline.system import locks, machine
from pipeline.system.machine import Conditions
from pipeline.system.progress import bar
from pipeline.tasks.inputs import Input

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


class Round(NamedTuple):
    """The sessions of one repetition."""

    itself: Repetition
    against_baseline: Repetition | None  # None where there is no baseline to measure against


def repeat(
    artifact: Path, baseline: Path | None, texts: Sequence[Input], measure: Measure, settings: Noise
) -> Iterator[Round]:
    """Sessions that compare the artifact, slowed by `settings.slowdown`, with the unchanged artifact, and with the baseline.

    Every repetition draws other queries from the texts. Other jobs of this program may run between two sessions. Raises
    MeasureError when a worker process fails.
    """
    title = "measuring it against itself" + ("" if baseline is None else " and the baseline")
    with bar(title, "repetition", settings.repetitions) as progress:
        for number in range(settings.repetitions):
            ordinary = replace(measure, max_seconds=max(measure.max_seconds, MIN_SECONDS), seed=measure.seed + number)
            whole = replace(ordinary, precision=NEVER_PRECISE)
            itself = _session(Subject(artifact, settings.slowdown), Subject(artifact), texts, whole)
            against = None if baseline is None else _session(Subject(artifact), Subject(baseline), texts, ordinary)
            yield Round(itself, against)
            progress.update(1)


def _session(candidate: Subject, baseline: Subject, texts: Sequence[Input], settings: Measure) -> Repetition:
    with locks.exclusive():
        watch = machine.LoadMonitor.start()
        session = Session(texts, settings, machine.least_busy_cores(settings.threads), tqdm(disable=True))
        pairs, _ = compare(candidate, baseline, session)
        return Repetition(pairs, watch.stop())
