"""A measuring session: artifact in, `Report` out. No other job of this program runs meanwhile (see `pipeline.system.locks`).

It first measures latency, candidate and baseline in pairs of fresh processes (see `pairs`). Then a single process gives
memory, throughput in batches and the predictions for the test and the validation split (see `single_process`). Where a
decision rule was fitted on the validation split, those for that split are cross-fitted (see `pipeline.runtimes.crossfit`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.config import Measure
from pipeline.errors import MeasureError
from pipeline.evaluation.latency.pairs import Session, Subject, compare, measure_alone
from pipeline.evaluation.latency.single_process import measure_single_process
from pipeline.evaluation.quality.calibration import ece_by_chance, ece_of
from pipeline.evaluation.quality.paired import PairedQuality, estimate
from pipeline.evaluation.quality.paired import compare as compare_quality
from pipeline.evaluation.report import Comparison, Judged, Latency, Predictions, Report
from pipeline.evaluation.size import size_of
from pipeline.runtimes import crossfit
from pipeline.runtimes.base import Description
from pipeline.system import locks, machine
from pipeline.system.progress import bar
from pipeline.tasks import SINGLE_LABEL, Task
from pipeline.tasks.base import Answers, DecisionRule
from pipeline.tasks.inputs import Input


@dataclass(frozen=True)
class Examples:
    """The inputs of a split, with their labels."""

    texts: Sequence[Input]
    truth: np.ndarray  # int64 (n,), index into labels; or bool (n, labels), see `pipeline.tasks`
    labels: list[str]
    oos: int | None
    task: Task = SINGLE_LABEL


@dataclass(frozen=True)
class Reference:
    """The baseline: its artifact, and its predictions for the same splits."""

    artifact: Path
    test: Predictions
    validation: Predictions


def measure(
    name: str, artifact: Path, test: Examples, validation: Examples, settings: Measure, reference: Reference | None
) -> Report:
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
        description = Description.read(artifact)
        held_out = crossfit.texts_by_fold(description, validation.texts, validation.truth)
        with bar("profiling" if settings.profile else "predicting"):
            single = measure_single_process(artifact, test.texts, held_out, settings, session.cores)
        afterwards = watch.stop()
    comparison, before_test, before_validation = None, None, None
    if reference is not None:
        comparison = Comparison(pairs, stopped, settings.margin, size_of(reference.artifact))
        if description.trained and Description.read(reference.artifact).trained:
            before_test, before_validation = reference.test, reference.validation
    latency = Latency(
        processes, single.load_ms, single.first_call_ms, single.texts_per_s, single.memory, settings.threads,
        tuple(session.cores), single.tasks,
    )  # fmt: skip
    return Report(
        name,
        judge(test, single.logits, description.rule.answer(single.logits), description, before_test),
        judge_validation(validation, single.validation_logits, description, before_validation),
        size_of(artifact), latency, conditions, comparison, single.profile, afterwards.contended,
    )  # fmt: skip


def judge_validation(
    examples: Examples, by_fold: Mapping[int | None, np.ndarray], description: Description, before: Predictions | None
) -> Judged:
    """As `judge`, cross-fitted; `by_fold`: see `pipeline.runtimes.crossfit.joined`."""
    logits = crossfit.joined(description, by_fold, examples.truth)
    return judge(examples, logits, crossfit.answer(description, logits, examples.truth), description, before)


def judge(
    examples: Examples, logits: np.ndarray, answers: Answers, description: Description, before: Predictions | None
) -> Judged:
    """The quality of the answers to a split, and their change from the baseline's predictions; logits float32 (n, n_labels).

    Raises MeasureError when the baseline's predictions are for other texts.
    """
    predictions = predictions_of(answers, examples)
    without_rule = None if description.rule.plain else predict(logits, examples, examples.task.rule(None, None))
    return Judged(
        predictions,
        quality_with_bounds(predictions) if description.trained else {},
        without_rule,
        {} if without_rule is None else quality_with_bounds(without_rule),
        before,
        None if before is None else paired_quality(before, predictions),
    )


def quality_with_bounds(predictions: Predictions) -> dict[str, float]:
    """Each quality with its bounds, the expected calibration error, and how much of that perfect scores would have."""
    truth, labels, task = predictions.truth, len(predictions.labels), predictions.task
    estimates = estimate(predictions.predicted, truth, labels, predictions.oos, task)
    quality = {name: found.value for name, found in estimates.items()}
    quality |= task.quality(predictions.predicted, truth, predictions.scores, predictions.oos)
    bounds = {f"{name}{bound}": value for name in estimates for bound, value in estimates[name].bounds().items()}
    scores, right = predictions.calibration()
    return quality | bounds | {"ece": ece_of(scores, right), "ece_by_chance": ece_by_chance(scores)}


def paired_quality(baseline: Predictions, candidate: Predictions) -> PairedQuality:
    """Compare predictions query by query. Raises MeasureError when they are for different queries."""
    if baseline.texts != candidate.texts or baseline.labels != candidate.labels:
        raise MeasureError("the baseline's predictions are for other texts; measure the baseline again")
    labels = len(candidate.labels)
    return compare_quality(baseline.predicted, candidate.predicted, candidate.truth, labels, candidate.oos, candidate.task)


def predict(logits: np.ndarray, examples: Examples, rule: DecisionRule) -> Predictions:
    """The predictions for a split with a decision rule; logits float32 (n, n_labels)."""
    return predictions_of(rule.answer(logits), examples)


def predictions_of(answers: Answers, examples: Examples) -> Predictions:
    """The answers to the texts of a split, with these texts."""
    return Predictions(
        examples.texts, examples.truth, answers.labels, answers.scores, examples.labels, examples.oos, answers.abstained,
        examples.task,
    )  # fmt: skip
