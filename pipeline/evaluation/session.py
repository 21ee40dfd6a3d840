"""A measuring session: artifact in, `Report` out. No other job of this program runs meanwhile (see `turns`).

First the latencies, candidate and baseline in pairs of fresh processes (see `pairs`), then what one process alone does:
memory, batches, predictions of the test split.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.config import Measure
from pipeline.errors import MeasureError
from pipeline.evaluation.latency.pairs import Session, Subject, alone, compare
from pipeline.evaluation.latency.solo import solo
from pipeline.evaluation.quality.calibration import binned
from pipeline.evaluation.quality.paired import PairedQuality, estimate
from pipeline.evaluation.quality.paired import compare as compare_quality
from pipeline.evaluation.report import Comparison, Latency, Predictions, Report
from pipeline.evaluation.size import size_of
from pipeline.runtimes.base import Description
from pipeline.runtimes.decision_rule import Rule
from pipeline.system import locks, machine
from pipeline.system.progress import bar


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
    """The baseline: where it is, and what it says of the same test split."""

    artifact: Path
    predictions: Predictions


def measure(name: str, artifact: Path, test: TestSet, settings: Measure, reference: Reference | None) -> Report:
    """Measure one classifier, in pairs with the baseline unless it is the baseline (`reference` is None).

    Raises MeasureError when a worker process fails.
    """
    queries = draw(test.texts, settings)
    with locks.exclusive():
        watch = machine.LoadMonitor.start()
        with bar(f"measuring {name}", "pair" if reference else "process") as progress:
            session = Session(queries, settings, machine.least_busy_cores(settings.threads), progress)
            if reference is None:
                processes = alone(Subject(artifact), session)
            else:
                pairs, stopped = compare(Subject(artifact), Subject(reference.artifact), session)
                processes = tuple(pair.candidate for pair in pairs)
        conditions, watch = watch.stop(), machine.LoadMonitor.start(settle_s=0)
        with bar("looking where the time goes" if settings.profile else "predicting the test split"):
            found = solo(artifact, test.texts, settings, session.cores)
        afterwards = watch.stop()
    description = Description.read(artifact)
    predictions = answers(found.logits, test, description.rule)
    without = None if description.rule.plain else answers(found.logits, test, Rule())
    comparison = None
    if reference is not None:
        trained = description.trained and Description.read(reference.artifact).trained
        before = reference.predictions if trained else None
        quality = None if before is None else against(before, predictions)
        comparison = Comparison(pairs, stopped, settings.margin, size_of(reference.artifact), quality, before)
    latency = Latency(
        processes, found.load_ms, found.first_call_ms, found.texts_per_s, found.memory, settings.threads,
        tuple(session.cores), found.tasks,
    )  # fmt: skip
    quality_of_it = judged(predictions) if description.trained else {}
    return Report(
        name, quality_of_it, size_of(artifact), latency, predictions, conditions, comparison, found.profile,
        afterwards.contended, without, {} if without is None else judged(without),
    )  # fmt: skip


def draw(texts: list[str], settings: Measure) -> list[str]:
    """The queries that are timed: drawn from the test texts with the seed, or the book's one query again and again."""
    if settings.protocol == "book":
        return [settings.query or texts[0]] * settings.queries
    rng = np.random.default_rng(settings.seed)
    chosen = rng.choice(len(texts), size=settings.queries, replace=settings.queries > len(texts))
    return [texts[i] for i in chosen]


def judged(predictions: Predictions) -> dict[str, float]:
    """How good they are, with the bounds of each metric, and how far their scores are from the shares that are right."""
    from pipeline.evaluation.quality.scores import quality_of

    truth, labels = predictions.truth, len(predictions.labels)
    quality = quality_of(predictions.predicted, truth, predictions.oos)
    estimates = estimate(predictions.predicted, truth, labels, predictions.oos)
    bounds = {f"{name}{bound}": value for name in quality for bound, value in estimates[name].bounds().items()}
    return quality | bounds | {"ece": binned(predictions.scores, predictions.right).ece}


def against(baseline: Predictions, candidate: Predictions) -> PairedQuality:
    """Query by query. Raises MeasureError when they are not of the same queries."""
    if baseline.texts != candidate.texts or baseline.labels != candidate.labels:
        raise MeasureError("the baseline's predictions are of another test split; measure the baseline again")
    labels = len(candidate.labels)
    return compare_quality(baseline.predicted, candidate.predicted, candidate.truth, labels, candidate.oos)


def answers(logits: np.ndarray, test: TestSet, rule: Rule) -> Predictions:
    """What a classifier with this decision rule says of the test split; logits float32 (n, n_labels)."""
    labels, scores, abstained = rule.answer(logits)
    return Predictions(test.texts, test.truth, labels, scores, test.labels, test.oos, abstained)
