"""The spine of a run: data, steps, measuring, tracking, comparison, with one call each.

    Config -> Splits -> stages -> artifact -> Report -> MLflow -> comparison

If MLflow has no comparable run of the baseline, the baseline is made and measured first. Every other optimization is
measured in pairs with it. A sweep first calls `make_artifact` for all jobs, then `run`, which continues from there.
"""

import logging
import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.config import Config, Optim
from pipeline.deployment import publish
from pipeline.errors import ConfigError, nearest
from pipeline.evaluation.metrics import METRICS, may_exist, names, validation_key
from pipeline.evaluation.quality import by_class, one_answer
from pipeline.evaluation.report import Report
from pipeline.evaluation.rows import Row
from pipeline.evaluation.session import Examples, Reference, measure
from pipeline.models import checkpoints
from pipeline.reporting.comparison import log_comparison, summarize
from pipeline.reporting.run_plots import log_notes, log_plots
from pipeline.steps.execute import StepsResult, check_order, check_steps, plan, run_steps
from pipeline.system import disk, locks, machine
from pipeline.tasks import task_of
from pipeline.tasks.inputs import inputs_of
from pipeline.tracking import server
from pipeline.tracking.identity import config_yaml, dataset, identity, is_baseline, parameters, settings_for
from pipeline.tracking.job import Job, Seen, baseline_lock, prepare, require_task
from pipeline.tracking.reuse import copy_measurement, find_measurement, measured_at, row_of_measurement
from pipeline.tracking.run import Run
from pipeline.tracking.runs import Identity

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """The result of a run."""

    row: Row
    made: tuple[str, ...]  # names of the stages that were made
    reused: tuple[str, ...]  # and of those that were reused

    def objective(self, asked: Sequence[str]) -> tuple[float, ...]:
        """Values of metrics for a sweeper; NaN for quality and its change if answers are not judged (`random_init`).

        Raises ConfigError for any other metric that the run does not have.
        """
        metrics = self.row.metrics
        judged, compared = (validation_key(key) in metrics for key in ("quality/accuracy", "delta/accuracy_pp"))
        need_training = [metric for metric in METRICS.values() if metric.needs_training]
        unknown = {name for one in need_training if not (compared if one.compared else judged) for name in one.names}
        for name in asked:
            if name not in metrics and name not in unknown:
                raise ConfigError(f"objective={name}: the run has no such metric{nearest(name, metrics)}")
        return tuple(metrics.get(name, math.nan) for name in asked)


@dataclass(frozen=True)
class UnmeasuredRun:
    """A run in MLflow whose artifact is made but not measured yet."""

    run_id: str
    made: tuple[str, ...]  # names of the stages that were made, including the baseline's
    reused: tuple[str, ...]  # and of those that were reused


def run(config: Config, finished_run_id: str = "", pending_run_id: str = "") -> Outcome:
    """Make, measure, track and compare one optimization.

    `finished_run_id`: the run of an earlier attempt. If it has the same artifact, measured the same way, it is the result.
    `pending_run_id`: the run that `make_artifact` returned; it is continued.
    Raises UserError for a user's mistake, if possible before anything is written.
    """
    check(config)
    with locks.shared(), disk_told(config):
        job = prepare_checked(config)
        config = job.config
        known = find_finished(job, finished_run_id)
        if known is not None:
            return known
        if is_baseline(config, job.context, config.optim):
            before = None
            with baseline_lock(job):
                row, made = optimize(job, config.optim, None, pending_run_id)
        else:
            reference, before = baseline_reference(job)
            row, made = optimize(job, config.optim, reference, pending_run_id)
        summarize(job, row)
    if config.publish.hub:
        publish.publish(job, row, made)
    return Outcome(row, *stage_names(made, before))


def make_artifact(config: Config, finished_run_id: str = "") -> UnmeasuredRun | Outcome:
    """Make the artifacts of one optimization and of the baseline. Its run in MLflow stays open for the measurement.

    `finished_run_id` and errors: as for `run`.
    """
    check(config)
    with locks.shared(), disk_told(config):
        job = prepare_checked(config)
        config = job.config
        known = find_finished(job, finished_run_id)
        if known is not None:
            return known
        with job.tracker.run(identity(config, job.context, config.optim), pending=True) as tracked, disk_told(config):
            made = run_and_log_steps(job, config.optim, tracked)
            same = is_baseline(config, job.context, config.optim)
            before = None if same else run_steps(config.baseline, job.context, job.store)
    return UnmeasuredRun(tracked.run_id, *stage_names(made, before))


def prepare_checked(config: Config) -> Job:
    """The job's inputs; raises PublishError if what it makes can't be published, which was asked for."""
    job = prepare(config)
    if config.publish.hub:
        publish.check_form(config.publish.hub, check_steps(config.optim, job.context))
    return job


def find_finished(job: Job, finished_run_id: str) -> Outcome | None:
    """The outcome of an earlier attempt, if that has finished; else None."""
    own = identity(job.config, job.context, job.config.optim)
    row = job.tracker.row_of(finished_run_id, own) if finished_run_id else None
    return None if row is None else Outcome(row, (), ())


def stage_names(made: StepsResult, before: StepsResult | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the stages that were made and of those that were reused; `before`: the stages of the baseline."""
    stages = [*(before.stages if before else ()), *made.before, *made.stages]
    new = {stage.directory.name: None for stage in stages if not stage.reused}
    old = {stage.directory.name: None for stage in stages if stage.directory.name not in new}
    return tuple(new), tuple(old)


def baseline_reference(job: Job) -> tuple[Reference, StepsResult]:
    """The baseline's artifact and predictions. If no comparable run exists, the baseline is run and measured first."""
    optim = job.config.baseline
    with baseline_lock(job):
        row = job.tracker.find(identity(job.config, job.context, optim))
        if row is None:
            log.info("the baseline %s has no comparable run yet, so it is run first", optim.name)
            row, made = optimize(job, optim, None)
        else:
            made = run_steps(optim, job.context, job.store)
    splits = job.context.splits
    test, validation = (
        job.tracker.predictions(row.run_id, splits.labels, splits.oos, split, splits.task)
        for split in ("test", "validation")
    )
    return Reference(made.artifact, test, validation), made


def optimize(job: Job, optim: Optim, reference: Reference | None, pending_run_id: str = "") -> tuple[Row, StepsResult]:
    """Run an optimization's steps, measure it, and log both in one MLflow run: a new one, or the pending one.

    An earlier measurement is reused if nothing that influences it has changed (see `pipeline.tracking.reuse`).
    """
    config, own = job.config, identity(job.config, job.context, optim)
    known = None if config.measure.again else find_measurement(job.tracker, own)
    if known is not None:
        log.info("%s: the measurement of %s is reused; measure.again=true measures again", optim.name, measured_at(known))
    if known is not None and not pending_run_id and _is_same_run(known, own, config.seed):
        row = row_of_measurement(job.tracker, known)
        made = run_steps(optim, job.context, job.store)
        log_comparison(job, None, row)
        return row, made
    run = job.tracker.resume(pending_run_id, own) if pending_run_id else job.tracker.run(own)
    with run as tracked, disk_told(config):
        made = run_steps(optim, job.context, job.store) if pending_run_id else run_and_log_steps(job, optim, tracked)
        if known is None:
            row = _measure_and_log(job, optim, made, reference, tracked)
        else:
            row = _log_copy(job, optim, known, tracked)
        log_comparison(job, tracked, row)
        if known is None and row.metrics["size/mb"] <= config.track.artifact_max_mb:
            tracked.log_classifier(made.artifact)
    return row, made


def _is_same_run(known: Any, own: Identity, seed: int) -> bool:
    """Whether an earlier run equals the new one in everything; if not, its measurement is copied into a new run."""
    return (
        own.sweep_id is None
        and known.data.tags.get("settings", "") == own.settings
        and known.data.params["seed"] == str(seed)
    )


def _measure_and_log(job: Job, optim: Optim, made: StepsResult, reference: Reference | None, tracked: Run) -> Row:
    """Measure the artifact and log the report."""
    config, splits = job.config, job.context.splits
    test, validation = (
        Examples(
            inputs_of(split), splits.task.truth(split, len(splits.labels)), list(splits.labels), splits.oos, splits.task
        )
        for split in (splits.test, splits.validation)
    )
    report = measure(optim.name, made.artifact, test, validation, config.measure, reference)
    seen = job.seen.get(made.fingerprint, Seen({}, ()))
    further = {**splits.metrics, **seen.metrics, **_answers(report), **made.metrics}
    tracked.log_report(report, further)
    if answers := one_answer.line(further):
        tracked.log_data_report(splits.report([*seen.notes, answers]))
    log_plots(tracked, report)
    return Row(
        optim.name, {**further, **report.metrics()}, tracked.run_id, reference is None,
        settings_for(config, optim), config.seed, verdict=report.verdict, contended=report.contended,
    )  # fmt: skip


def _answers(report: Report) -> dict[str, float]:
    """The shares of the most frequent answer and label; warns of nearly only one answer, tells the worst classes."""
    if not report.validation.quality:  # random weights
        return {}
    shares = one_answer.shares(report.validation.predictions)
    if message := one_answer.line(shares):
        log.warning("warning: %s: %s", report.optim, message)
    log.info("%s, classes on test: %s", report.optim, by_class.line(by_class.of(report.test)))
    return shares


def _log_copy(job: Job, optim: Optim, known: Any, tracked: Run) -> Row:
    """Copy an earlier measurement into the run."""
    copy_measurement(job.tracker, known, tracked)
    row = row_of_measurement(job.tracker, known)
    return replace(row, run_id=tracked.run_id, settings=settings_for(job.config, optim), seed=job.config.seed)


def run_and_log_steps(job: Job, optim: Optim, tracked: Run) -> StepsResult:
    """Run the steps of an optimization; logs its settings, training curves and searches."""
    config = replace(job.config, optim=optim)
    tracked.log_start(config_yaml(config), parameters(config), dataset(config, job.context.splits))
    seen = job.seen.get(plan(optim, job.context)[-1].fingerprint)
    if seen is not None and seen.notes:
        tracked.log_data_report(job.context.splits.report(seen.notes))
    made = run_steps(optim, replace(job.context, on_trial=tracked.log_trial), job.store)
    tracked.log_curves(made.curves)
    log_notes(tracked, made)
    return made


def disk_told(config: Config) -> AbstractContextManager[None]:
    """A full disk is told in one line, with what a training needs."""
    return disk.told(Path(config.track.root).resolve(), partial(checkpoints.training_bytes, config.backbone))


def check(config: Config) -> None:
    """Check the configuration: steps, what the task allows, threads, objective, weights, tracking, the Hub.

    Raises UserError.
    """
    check_order(config.optim, config.backbone, task=config.data.known_task)
    check_order(config.baseline, config.backbone, "baseline", config.data.known_task)
    if config.data.known_task is not None:
        require_task(config, task_of(config.data.known_task))
    allowed = machine.machine()["cores"]
    if config.measure.threads > allowed:
        raise ConfigError(f"measure.threads={config.measure.threads}: this machine allows at most {allowed}")
    if not config.objective:
        raise ConfigError("objective=[]: name at least one metric")
    for name in config.objective:
        if not may_exist(name):
            raise ConfigError(f"objective={name}: no such metric{nearest(name, names())}")
        if validation_key(name) != name:
            raise ConfigError(f"objective={name}: the test split must not choose; set objective={validation_key(name)}")
    checkpoints.check(config.backbone)
    server.check(config.track)
    publish.check(config.publish.hub)
