"""A measuring session: artifact in, `Report` out. Candidate and baseline take turns on the same real queries.

Each has a process of its own, pinned to the same core; only one is ever active, and the parent blocks in a read. Within a
pass the queries come in blocks, and who answers a block first alternates, so that a machine that slows down for a moment
slows both. No other job of this program runs meanwhile (see `turns`).
"""

import contextlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import turns
from pipeline.config import Measure
from pipeline.measure.process import Worker
from pipeline.measure.size import size_of
from pipeline.progress import bar
from pipeline.report import Baseline, Latency, Predictions, Report

log = logging.getLogger(__name__)
BLOCK = 25  # queries that one process answers before the other takes its turn
THROUGHPUT_TEXTS = 512


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
    """Measure one classifier, in turns with the baseline unless it is the baseline (`reference` is None).

    Raises MeasureError when a worker process fails.
    """
    from pipeline.measure.quality import quality_of

    queries = draw(test.texts, settings)
    with contextlib.ExitStack() as stack:
        stack.enter_context(turns.alone())
        stack.enter_context(contextlib.closing(progress := bar("measuring", "call")))
        candidate = stack.enter_context(Worker(artifact, settings.threads))
        others = [stack.enter_context(Worker(reference.artifact, settings.threads))] if reference else []
        workers = [candidate, *others]
        first_calls = [float(worker.time(queries[:1])[0]) for worker in workers]
        samples = _in_turns(workers, queries, settings, progress)
        for other in others:
            other.close()
        peak = candidate.ask("peak")["peak_mb"]
        batch = (test.texts * (1 + THROUGHPUT_TEXTS // len(test.texts)))[:THROUGHPUT_TEXTS]
        speed = candidate.ask("throughput", texts=batch, batch_size=settings.batch_size)["texts_per_s"]
        progress.set_description("predicting the test split")
        logits = candidate.logits(test.texts, settings.batch_size)
        progress.set_description("measured")
    latency = Latency(samples[0], candidate.load_ms, first_calls[0], speed, peak)
    predictions = _predictions(logits, test)
    quality = quality_of(predictions.predicted, test.truth, test.oos)
    baseline = Baseline(samples[1], size_of(reference.artifact), reference.accuracy) if reference else None
    return Report(name, quality, size_of(artifact), latency, predictions, baseline)


def draw(texts: list[str], settings: Measure) -> list[str]:
    """The queries that are timed: drawn from the test texts with the seed, or the book's one query again and again."""
    if settings.protocol == "book":
        return [settings.query or texts[0]] * settings.queries
    rng = np.random.default_rng(settings.seed)
    chosen = rng.choice(len(texts), size=settings.queries, replace=settings.queries > len(texts))
    return [texts[i] for i in chosen]


def _in_turns(workers: list[Worker], queries: list[str], settings: Measure, progress: Any) -> np.ndarray:
    """Warm up, then time: float64 (workers, passes, queries), in ms."""
    warm_up = (queries * (1 + settings.warmup_calls // len(queries)))[: settings.warmup_calls]
    progress.reset(total=len(workers) * (len(queries) * settings.passes + len(warm_up)))
    samples = np.empty((len(workers), settings.passes, len(queries)))
    for worker in workers:
        progress.update(len(worker.time(warm_up)))
    turns = list(range(len(workers)))
    for number in range(settings.passes):
        for start in range(0, len(queries), BLOCK):
            block = slice(start, start + BLOCK)
            for who in turns:
                samples[who, number, block] = workers[who].time(queries[block])
                progress.update(len(queries[block]))
            turns.reverse()
    return samples


def _predictions(logits: np.ndarray, test: TestSet) -> Predictions:
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    predicted = logits.argmax(axis=1).astype(np.int64)
    scores = shifted.max(axis=1) / shifted.sum(axis=1)
    return Predictions(test.texts, test.truth, predicted, scores, test.labels)
