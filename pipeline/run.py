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

import numpy as np

from pipeline.config import Config, Optim
from pipeline.deployment import publish
from pipeline.errors import ConfigError, nearest
from pipeline.evaluation.report import Report
from pipeline.evaluation.rows import METRICS, OF_SOME, Row
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
from pipeline.tracking.run import Run

log = logging.getLogger(__name__)
CHANGES = ("delta/accuracy", "delta/f1", "delta/in_scope", "delta/oos")  # of what is answered, against the baseline


@dataclass(frozen=True)
class Outcome:
    """What came of a run."""

    row: Row
    made: tuple[str, ...]  # names of stages
    reused: tuple[str, ...]

    def objective(self, names: Sequence[str]) -> tuple[float, ...]:
        """Values of metrics, for a sweeper; NaN for quality, or its change, where a classifier is not judged (`untrained`).

        Raises ConfigError for another that the run does not have.
        """
        there = self.row.metrics
        judged = any(name.startswith("quality/") for name in there)
        unknown = (() if judged else ("quality/",)) + (() if "delta/accuracy_pp" in there else CHANGES)
        for name in names:
            if name not in there and not name.startswith(unknown):
                raise ConfigError(f"objective={name}: the run has no such metric{nearest(name, there)}")
        return tuple(there.get(name, math.nan) for name in names)


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
    """Carry out an optimization, measure it, log it all in one MLflow run: a new one, or the one that waits."""
    config, splits, own = job.config, job.context.splits, identity(job.config, job.context, optim)
    with job.tracker.resume(waiting, own) if waiting else job.tracker.run(own) as tracked:
        made = run_steps(optim, job.context, job.store) if waiting else run_and_log_steps(job, optim, tracked)
        test = TestSet(list(splits.test[TEXT]), np.array(splits.test[LABEL]), list(splits.labels), splits.oos)
        report = measure(optim.name, made.artifact, test, config.measure, reference)
        tracked.log_report(report, made.metrics)
        log_metrics(tracked, report)
        row = Row(
            optim.name, {**made.metrics, **report.metrics()}, tracked.run_id, reference is None,
            settings_for(config, optim), config.seed, verdict=report.verdict, contended=report.contended,
        )  # fmt: skip
        log_comparison(job, tracked, row)
        if report.metrics()["size/mb"] <= config.track.artifact_max_mb:
            tracked.log_classifier(made.artifact)
    return row, made


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


def log_metrics(tracked: Run, report: Report) -> None:
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
    sections = {known.partition("/")[0] for known in METRICS}
    if not config.objective:
        raise ConfigError("objective=[]: name at least one metric")
    for name in config.objective:
        section, slash, _ = name.partition("/")
        if name not in (*METRICS, *OF_SOME) and (not slash or section in sections):  # other sections are the steps' own
            raise ConfigError(f"objective={name}: no such metric{nearest(name, (*METRICS, *OF_SOME))}")
    checkpoints.check(config.backbone)
    server.check(config.track)
    publish.check(config.publish.hub)
