"""A measuring session: artifact in, `Report` out. No other job of this program runs meanwhile (see `pipeline.system.locks`).

It first measures latency, candidate and baseline in pairs of fresh processes (see `pairs`). Then a single process gives
memory, throughput in batches and the predictions for the test split (see `single_process`).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.config import Measure
from pipeline.errors import MeasureError
from pipeline.evaluation.latency.pairs import Session, Subject, compare, measure_alone
from pipeline.evaluation.latency.single_process import measure_single_process
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
    """The test split."""

    __test__ = False  # not a test case, whatever pytest may think of the name

    texts: list[str]
    truth: np.ndarray  # int64 (n,), index into labels
    labels: list[str]
    oos: int | None


@dataclass(frozen=True)
class Reference:
    """The baseline: its artifact, and its predictions for the same test split."""

    artifact: Path
    predictions: Predictions


def measure(name: str, artifact: Path, test: TestSet, settings: Measure, reference: Reference | None) -> Report:
    """Measure one classifier, in pairs with the baseline unless it is the baseline (`reference` is None).

    Raises MeasureError when a worker process fails.
    """
    with locks.exclusive():
        watch = machine.LoadMonitor.start()
        with bar(f"measuring {name}", "pair" if reference else "process") as progress:
            session = Session(test.texts, settings, machine.least_busy_cores(settings.threads), progress)
            if reference is None:
                processes = measure_alone(Subject(artifact), session)
            else:
                pairs, stopped = compare(Subject(artifact), Subject(reference.artifact), session)
                processes = tuple(pair.candidate for pair in pairs)
        conditions, watch = watch.stop(), machine.LoadMonitor.start(settle_s=0)
        with bar("profiling" if settings.profile else "predicting the test split"):
            single = measure_single_process(artifact, test.texts, settings, session.cores)
        afterwards = watch.stop()
    description = Description.read(artifact)
    predictions = predict(single.logits, test, description.rule)
    without_rule = None if description.rule.plain else predict(single.logits, test, Rule())
    comparison = None
    if reference is not None:
        trained = description.trained and Description.read(reference.artifact).trained
        before = reference.predictions if trained else None
        quality = None if before is None else paired_quality(before, predictions)
        comparison = Comparison(pairs, stopped, settings.margin, size_of(reference.artifact), quality, before)
    latency = Latency(
        processes, single.load_ms, single.first_call_ms, single.texts_per_s, single.memory, settings.threads,
        tuple(session.cores), single.tasks,
    )  # fmt: skip
    quality_metrics = quality_with_bounds(predictions) if description.trained else {}
    return Report(
        name, quality_metrics, size_of(artifact), latency, predictions, conditions, comparison, single.profile,
        afterwards.contended, without_rule, {} if without_rule is None else quality_with_bounds(without_rule),
    )  # fmt: skip


def quality_with_bounds(predictions: Predictions) -> dict[str, float]:
    """Each quality with its bounds, and the expected calibration error."""
    from pipeline.evaluation.quality.scores import quality_of

    truth, labels = predictions.truth, len(predictions.labels)
    quality = quality_of(predictions.predicted, truth, predictions.oos)
    estimates = estimate(predictions.predicted, truth, labels, predictions.oos)
    bounds = {f"{name}{bound}": value for name in quality for bound, value in estimates[name].bounds().items()}
    return quality | bounds | {"ece": binned(predictions.scores, predictions.right).ece}


def paired_quality(baseline: Predictions, candidate: Predictions) -> PairedQuality:
    """Compare predictions query by query. Raises MeasureError when they are for different queries."""
    if baseline.texts != candidate.texts or baseline.labels != candidate.labels:
        raise MeasureError("the baseline's predictions are for another test split; measure the baseline again")
    labels = len(candidate.labels)
    return compare_quality(baseline.predicted, candidate.predicted, candidate.truth, labels, candidate.oos)


def predict(logits: np.ndarray, test: TestSet, rule: Rule) -> Predictions:
    """The predictions for the test split with a decision rule; logits float32 (n, n_labels)."""
    labels, scores, abstained = rule.answer(logits)
    return Predictions(test.texts, test.truth, labels, scores, test.labels, test.oos, abstained)
