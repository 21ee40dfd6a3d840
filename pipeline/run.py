"""The spine: data, steps, measuring, tracking, comparison; one call each.

    Config -> Splits -> stages -> artifact -> Report -> MLflow -> comparison

The baseline is made and measured first when MLflow has no comparable run of it; after that it takes part in every other
optimization's measuring session, so that each speed-up is a paired one. In a sweep, `make` goes as far as the artifact,
and `run` goes on from there when all jobs are made.
"""

import logging
import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config import Config, Optim
from pipeline.deployment import publish
from pipeline.errors import ConfigError, nearest
from pipeline.evaluation.metrics import METRICS, may_exist, names
from pipeline.evaluation.report import Report
from pipeline.evaluation.rows import Row
from pipeline.evaluation.session import Reference, TestSet, measure
from pipeline.models import checkpoints
from pipeline.reporting.comparison import log_comparison, summarize
from pipeline.reporting.plots import noted, profile, reliability
from pipeline.steps.execute import StepsResult, check_order, run_steps
from pipeline.system import locks, machine
from pipeline.tasks.single_label import LABEL, TEXT
from pipeline.tracking import server
from pipeline.tracking.identity import config_yaml, dataset, identity, is_baseline, parameters, settings_for
from pipeline.tracking.job import Job, only_one, prepare
from pipeline.tracking.reuse import copy_measurement, find_measurement, measured_at, row_of_measurement
from pipeline.tracking.run import Run
from pipeline.tracking.runs import Identity

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What came of a run."""

    row: Row
    made: tuple[str, ...]  # names of stages
    reused: tuple[str, ...]

    def objective(self, asked: Sequence[str]) -> tuple[float, ...]:
        """Values of metrics, for a sweeper; NaN for quality, or its change, where answers are not judged (`random_init`).

        Raises ConfigError for another that the run does not have.
        """
        there = self.row.metrics
        judged, compared = "quality/accuracy" in there, "delta/accuracy_pp" in there
        need_training = [metric for metric in METRICS.values() if metric.needs_training]
        unknown = {name for one in need_training if not (compared if one.compared else judged) for name in one.names}
        for name in asked:
            if name not in there and name not in unknown:
                raise ConfigError(f"objective={name}: the run has no such metric{nearest(name, there)}")
        return tuple(there.get(name, math.nan) for name in asked)


@dataclass(frozen=True)
class Pending:
    """What was made, and is not measured yet."""

    run_id: str  # in MLflow, where it waits
    made: tuple[str, ...]  # names of stages, the baseline's among them
    reused: tuple[str, ...]


def run(config: Config, finished: str = "", waiting: str = "") -> Outcome:
    """Carry out, measure, track and compare one optimization.

    `finished` is the run of an earlier attempt: where it is of the very same artifact, measured the same way, it counts.
    `waiting` is the run that `make` has left: it is gone on with.
    Raises UserError for what the user can mend, before anything is written where possible.
    """
    check(config)
    with locks.shared():
        job = prepare(config)
        known = finished_outcome(job, finished)
        if known is not None:
            return known
        if is_baseline(config, job.context, config.optim):
            before = None
            with only_one(job):
                row, made = optimize(job, config.optim, None, waiting)
        else:
            reference, before = baseline(job)
            row, made = optimize(job, config.optim, reference, waiting)
        summarize(job, row)
    if config.publish.hub:
        publish.publish(job, row, made)
    return Outcome(row, *stages_of(made, before))


def make(config: Config, finished: str = "") -> Pending | Outcome:
    """Carry out one optimization, and the baseline that it will be compared with; its run in MLflow waits to be measured.

    `finished` and what is raised: as for `run`.
    """
    check(config)
    with locks.shared():
        job = prepare(config)
        known = finished_outcome(job, finished)
        if known is not None:
            return known
        with job.tracker.run(identity(config, job.context, config.optim), waits=True) as tracked:
            made = run_and_log_steps(job, config.optim, tracked)
            same = is_baseline(config, job.context, config.optim)
            before = None if same else run_steps(config.baseline, job.context, job.store)
    return Pending(tracked.run_id, *stages_of(made, before))


def finished_outcome(job: Job, finished: str) -> Outcome | None:
    """What came of an earlier attempt, if that was finished."""
    row = job.tracker.row_of(finished, identity(job.config, job.context, job.config.optim)) if finished else None
    return None if row is None else Outcome(row, (), ())


def stages_of(made: StepsResult, before: StepsResult | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the stages that were made, and of those that were reused; `before` is the baseline."""
    stages = [*(before.stages if before else ()), *made.before, *made.stages]
    new = {stage.directory.name: None for stage in stages if not stage.reused}
    old = {stage.directory.name: None for stage in stages if stage.directory.name not in new}
    return tuple(new), tuple(old)


def baseline(job: Job) -> tuple[Reference, StepsResult]:
    """The baseline's artifact and accuracy; made, measured and tracked in a run of its own if that was not done yet."""
    optim = job.config.baseline
    with only_one(job):
        row = job.tracker.find(identity(job.config, job.context, optim))
        if row is None:
            log.info("the baseline %s has no comparable run yet: it comes first", optim.name)
            row, made = optimize(job, optim, None)
        else:
            made = run_steps(optim, job.context, job.store)
    splits = job.context.splits
    return Reference(made.artifact, job.tracker.predictions(row.run_id, splits.labels, splits.oos)), made


def optimize(job: Job, optim: Optim, reference: Reference | None, waiting: str = "") -> tuple[Row, StepsResult]:
    """Run an optimization's steps, measure it, log it all in one MLflow run: a new one, or the one that waits.

    A measurement of before is used again where nothing that decides it has changed (see `pipeline.tracking.reuse`).
    """
    config, own = job.config, identity(job.config, job.context, optim)
    known = None if config.measure.again else find_measurement(job.tracker, own)
    if known is not None:
        log.info("%s: measured before (%s), reused; measure.again=true measures anew", optim.name, measured_at(known))
    if known is not None and not waiting and _is_same_run(known, own, config.seed):
        row = row_of_measurement(job.tracker, known)
        made = run_steps(optim, job.context, job.store)
        log_comparison(job, None, row)
        return row, made
    with job.tracker.resume(waiting, own) if waiting else job.tracker.run(own) as tracked:
        made = run_steps(optim, job.context, job.store) if waiting else run_and_log_steps(job, optim, tracked)
        row = _measured(job, optim, made, reference, tracked) if known is None else _copied(job, optim, known, tracked)
        log_comparison(job, tracked, row)
        if known is None and row.metrics["size/mb"] <= config.track.artifact_max_mb:
            tracked.log_classifier(made.artifact)
    return row, made


def _is_same_run(known: Any, own: Identity, seed: int) -> bool:
    """Whether a run of before is what a new one would be; else the new one gets a copy of its measurement."""
    return (
        own.sweep_id is None
        and known.data.tags.get("settings", "") == own.settings
        and known.data.params["seed"] == str(seed)
    )


def _measured(job: Job, optim: Optim, made: StepsResult, reference: Reference | None, tracked: Run) -> Row:
    """Measure and log."""
    config, splits = job.config, job.context.splits
    test = TestSet(list(splits.test[TEXT]), np.array(splits.test[LABEL]), list(splits.labels), splits.oos)
    report = measure(optim.name, made.artifact, test, config.measure, reference)
    tracked.log_report(report, made.metrics)
    log_plots(tracked, report)
    return Row(
        optim.name, {**made.metrics, **report.metrics()}, tracked.run_id, reference is None,
        settings_for(config, optim), config.seed, verdict=report.verdict, contended=report.contended,
    )  # fmt: skip


def _copied(job: Job, optim: Optim, known: Any, tracked: Run) -> Row:
    """Log a measurement of before."""
    copy_measurement(job.tracker, known, tracked)
    row = row_of_measurement(job.tracker, known)
    return replace(row, run_id=tracked.run_id, settings=settings_for(job.config, optim), seed=job.config.seed)


def run_and_log_steps(job: Job, optim: Optim, tracked: Run) -> StepsResult:
    """Carry out an optimization, and log how it came about: its settings, training curves, searches."""
    config = replace(job.config, optim=optim)
    tracked.log_start(config_yaml(config), parameters(config), dataset(config, job.context.splits))
    made = run_steps(optim, replace(job.context, on_trial=tracked.log_trial), job.store)
    tracked.log_curves(made.curves)
    log_notes(tracked, made)
    return made


def log_notes(tracked: Run, made: StepsResult) -> None:
    """The steps' own metrics; and the trials of their searches, which were told already if they were made in this run."""
    for stage in made.stages:
        notes = stage.manifest["notes"]
        for trial in notes.get("search", {}).get("trials", ()) if stage.reused else ():
            tracked.log_trial(trial)
        with tempfile.TemporaryDirectory() as folder:
            noted.save(notes, Path(folder))
            if any(Path(folder).iterdir()):
                tracked.log_folder(Path(folder))


def log_plots(tracked: Run, report: Report) -> None:
    """How far scores are to be believed; and where the time goes, if that was measured."""
    with tempfile.TemporaryDirectory() as folder:
        if report.quality:
            reliability.save(report, Path(folder))
        if report.profile is not None:
            profile.save(report.profile, report.optim, Path(folder))
        tracked.log_folder(Path(folder))


def check(config: Config) -> None:
    """Raises UserError: the order of steps, threads, objective, weights, the Hub, where results go."""
    check_order(config.optim, config.backbone)
    check_order(config.baseline, config.backbone, "baseline")
    allowed = machine.machine()["cores"]
    if config.measure.threads > allowed:
        raise ConfigError(f"measure.threads={config.measure.threads}: this machine allows {allowed}")
    if not config.objective:
        raise ConfigError("objective=[]: name at least one metric")
    for name in config.objective:
        if not may_exist(name):
            raise ConfigError(f"objective={name}: no such metric{nearest(name, names())}")
    checkpoints.check(config.backbone)
    server.check(config.track)
    publish.check(config.publish.hub)
