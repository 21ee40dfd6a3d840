"""A measuring session: artifact in, `Report` out. No other job of this program runs meanwhile (see `turns`).

First the latencies, candidate and baseline in pairs of fresh processes (see `pairs`), then what one process alone does:
memory, batches, predictions of the test split.
"""

import contextlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline import machine, turns
from pipeline.config import Measure
from pipeline.measure.pairs import Session, Subject, alone, compare
from pipeline.measure.size import size_of
from pipeline.measure.solo import solo
from pipeline.progress import bar
from pipeline.report import Comparison, Latency, Predictions, Report


@dataclass(frozen=True)
class TestSet:
    """The test split, as measuring needs it."""

    __test__ = False  # not a test case, whatever pytest may think of the name

    texts: list[str]
    truth: np.ndarray  # int64 (n,), index into labels
    labels: list[str]
    oos: int | None


@dataclass(frozen=True)
class Reference:
    """The baseline: where it is, and its accuracy on the same test split."""

    artifact: Path
    accuracy: float


def measure(name: str, artifact: Path, test: TestSet, settings: Measure, reference: Reference | None) -> Report:
    """Measure one classifier, in pairs with the baseline unless it is the baseline (`reference` is None).

    Raises MeasureError when a worker process fails.
    """
    from pipeline.measure.quality import quality_of

    queries = draw(test.texts, settings)
    with turns.alone(), contextlib.closing(bar(f"measuring {name}", "pair" if reference else "process")) as progress:
        watch = machine.Watch.start()
        session = Session(queries, settings, machine.quietest(settings.threads), progress)
        comparison = None
        if reference is None:
            processes = alone(Subject(artifact), session)
        else:
            pairs, stopped = compare(Subject(artifact), Subject(reference.artifact), session)
            processes = tuple(pair.candidate for pair in pairs)
            comparison = Comparison(pairs, stopped, settings.margin, size_of(reference.artifact), reference.accuracy)
        conditions, watch = watch.stop(), machine.Watch.start(settle_s=0)
        progress.set_description("looking where the time goes" if settings.profile else "predicting the test split")
        found = solo(artifact, test.texts, settings, session.cores)
        afterwards = watch.stop()
        progress.set_description("measured")
    predictions = _predictions(found.logits, test)
    quality = quality_of(predictions.predicted, test.truth, test.oos)
    latency = Latency(
        processes, found.load_ms, found.first_call_ms, found.texts_per_s, found.memory, settings.threads,
        tuple(session.cores), found.tasks,
    )  # fmt: skip
    return Report(
        name, quality, size_of(artifact), latency, predictions, conditions, comparison, found.profile, afterwards.contended
    )


def draw(texts: list[str], settings: Measure) -> list[str]:
    """The queries that are timed: drawn from the test texts with the seed, or the book's one query again and again."""
    if settings.protocol == "book":
        return [settings.query or texts[0]] * settings.queries
    rng = np.random.default_rng(settings.seed)
    chosen = rng.choice(len(texts), size=settings.queries, replace=settings.queries > len(texts))
    return [texts[i] for i in chosen]


def _predictions(logits: np.ndarray, test: TestSet) -> Predictions:
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    predicted = logits.argmax(axis=1).astype(np.int64)
    scores = shifted.max(axis=1) / shifted.sum(axis=1)
    return Predictions(test.texts, test.truth, predicted, scores, test.labels)
