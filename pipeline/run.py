"""The spine: data, steps, measuring, tracking, comparison; one call each.

    Config -> Splits -> stages -> artifact -> Report -> MLflow -> comparison

The baseline is made and measured first when MLflow has no comparable run of it; after that it takes part in every other
optimization's measuring session, so that each speed-up is a paired one.
"""

import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pipeline import compare, publish, search_plot, turns
from pipeline.check import check
from pipeline.config import Config, Optim
from pipeline.data.splits import Splits
from pipeline.describe import (
    base_models,
    comparable_key,
    config_yaml,
    dataset,
    identity,
    is_baseline,
    parameters,
    settings_for,
)
from pipeline.errors import ConfigError, nearest
from pipeline.measure.session import Reference, TestSet, measure
from pipeline.optimize import Made, carry_out, plan
from pipeline.report import Row
from pipeline.steps.base import Context
from pipeline.store import Store
from pipeline.track import view
from pipeline.track.runs import Run, Tracker
from pipeline.track.server import connect

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """What both runs of a job, the baseline's and the optimization's, have in common."""

    config: Config
    context: Context
    store: Store
    tracker: Tracker
    comparable: str


@dataclass(frozen=True)
class Outcome:
    """What came of a run."""

    row: Row
    made: tuple[str, ...]  # names of stages
    reused: tuple[str, ...]

    def objective(self, names: Sequence[str]) -> tuple[float, ...]:
        """Values of metrics, for a sweeper. Raises ConfigError for one that the run does not have."""
        for name in names:
            if name not in self.row.metrics:
                raise ConfigError(f"objective={name}: the run has no such metric{nearest(name, self.row.metrics)}")
        return tuple(self.row.metrics[name] for name in names)


def run(config: Config, finished: str = "") -> Outcome:
    """Carry out, measure, track and compare one optimization.

    `finished` is the run of an earlier attempt: where it is of the very same artifact, measured the same way, it counts.
    Raises UserError for what the user can mend, before anything is written where possible.
    """
    check(config)
    with turns.working():
        job = prepare(config)
        known = job.tracker.row_of(finished, identity(config, job.context, config.optim)) if finished else None
        if known is not None:
            return Outcome(known, (), ())
        if is_baseline(config, job.context, config.optim):
            before = None
            with only_one(job):
                row, made = optimize(job, config.optim, None)
        else:
            reference, before = baseline(job)
            row, made = optimize(job, config.optim, reference)
        summarize(job, row)
    if config.publish.hub:
        push(job, row, made)
    stages = [*(before.stages if before else ()), *made.before, *made.stages]
    new = {stage.directory.name: None for stage in stages if not stage.reused}
    old = {stage.directory.name: None for stage in stages if stage.directory.name not in new}
    return Outcome(row, tuple(new), tuple(old))


def prepare(config: Config) -> Job:
    """Load and check the data, see that the weights are to be had, then open the store and MLflow."""
    splits: Splits = config.data.load(config.seed)  # type: ignore[attr-defined]  # every registered source has it
    rows = f"{len(splits.train)} train, {len(splits.validation)} validation, {len(splits.test)} test texts"
    log.info("%s: %s, %d labels", config.data.name, rows, len(splits.labels))
    context = Context(splits, config.backbone, config.seed)
    for optim in (config.optim, config.baseline):
        plan(optim, context)
    tracker = Tracker(connect(config.track), f"{config.data.name}/{config.backbone.name}")
    tracker.close_orphans()
    view.share(tracker.client, tracker.experiment_id)
    return Job(config, context, Store(Path(config.track.root)), tracker, comparable_key(config, context))


def only_one(job: Job) -> AbstractContextManager[None]:
    """One job at a time that measures the baseline: those that wait find its run."""
    lock = Path(job.config.track.root) / "stages" / ".locks" / f"baseline-{job.comparable}"
    return turns.held(lock, f"waiting for another job that measures the baseline {job.config.baseline.name}")


def baseline(job: Job) -> tuple[Reference, Made]:
    """The baseline's artifact and accuracy; made, measured and tracked in a run of its own if that was not done yet."""
    optim = job.config.baseline
    with only_one(job):
        row = job.tracker.find(identity(job.config, job.context, optim))
        if row is None:
            log.info("the baseline %s has no comparable run yet: it comes first", optim.name)
            row, made = optimize(job, optim, None)
        else:
            made = carry_out(optim, job.context, job.store)
    return Reference(made.artifact, row.metrics["quality/accuracy"]), made


def optimize(job: Job, optim: Optim, reference: Reference | None) -> tuple[Row, Made]:
    """Carry out an optimization, measure it, log it all in one MLflow run."""
    config, splits = replace(job.config, optim=optim), job.context.splits
    with job.tracker.run(identity(job.config, job.context, optim)) as tracked:
        tracked.log_start(config_yaml(config), parameters(config), dataset(config, splits))
        made = carry_out(optim, replace(job.context, on_trial=tracked.log_trial), job.store)
        tracked.log_curves(made.curves)
        log_searches(tracked, made)
        test = TestSet(list(splits.test["text"]), np.array(splits.test["label"]), list(splits.labels), splits.oos)
        report = measure(optim.name, made.artifact, test, config.measure, reference)
        tracked.log_report(report, made.figures)
        metrics = {**made.figures, **report.metrics()}
        row = Row(optim.name, metrics, tracked.run_id, reference is None, settings_for(job.config, optim), config.seed)
        log_comparison(job, tracked, row)
        if report.metrics()["size/mb"] <= config.track.artifact_max_mb:
            tracked.log_classifier(made.artifact)
    return row, made


def log_searches(tracked: Run, made: Made) -> None:
    """The figures of the steps' searches; and their trials, which were told already if they were made in this run."""
    for stage in made.stages:
        search = stage.manifest["notes"].get("search")
        if search is None:
            continue
        for trial in search["trials"] if stage.reused else ():
            tracked.log_trial(trial)
        with tempfile.TemporaryDirectory() as folder:
            search_plot.save(search, Path(folder))
            tracked.log_folder(Path(folder))


def push(job: Job, row: Row, made: Made) -> None:
    """Publish the artifact with its model card."""
    config = job.config
    assert config.publish.hub is not None
    rows = [row, *(other for other in others_of(job, row) if other.is_baseline)]
    card = publish.Card(
        optim=row.optim, data=config.data.name, backbone=config.backbone.name, steps=tuple(config.optim.steps),
        table_markdown=f"{compare.table(rows).markdown()}\n\n{compare.LEGEND}",
        plot=compare.folder_of(config) / "comparison.png", metrics=row.metrics, labels=tuple(job.context.splits.labels),
        base_models=base_models(config),
    )  # fmt: skip
    log.info("published: %s", publish.publish(made.artifact, config.publish.hub, card))


def log_comparison(job: Job, tracked: Run, row: Row) -> None:
    """Draw this run among all that compare with it, and log table and plot."""
    others = others_of(job, row)
    with tempfile.TemporaryDirectory() as name:  # another job may draw the same comparison at this moment
        folder = Path(name)
        table = compare.write([row, *others], row.optim, job.tracker.experiment, folder)
        tracked.log_comparison(folder, f"{table.markdown()}\n\n{compare.LEGEND}")
        target = compare.folder_of(job.config)
        with turns.held(target.with_suffix(".lock"), "waiting for another job that draws"):
            shutil.copytree(folder, target, dirs_exist_ok=True)


def others_of(job: Job, row: Row) -> list[Row]:
    """The newest runs of the other optimizations that compare with this one."""
    this = (row.optim, row.is_baseline)
    return [other for other in job.tracker.rows(job.comparable) if (other.optim, other.is_baseline) != this]


def summarize(job: Job, row: Row) -> None:
    """Print the table, where things are, and what to do next."""
    config, tracker = job.config, job.tracker
    if config.sweep.id is not None:  # the whole is told at its end
        figures = {column.title: column.text(row) for column in compare.COLUMNS}
        log.info("%s: %s", row.name, ", ".join(f"{title} {figures[title]}" for title in ("accuracy %", "faster", "smaller")))
        return
    rows = [row, *others_of(job, row)]
    print(f"\n{compare.table(rows).plain()}\n\n{compare.LEGEND}\n")
    print(f"plot:    {os.path.relpath(compare.folder_of(config) / 'comparison.png')}")
    print(f"MLflow:  {view.address(tracker.connection, config.track.root, tracker.experiment_id)}")
    print("next:    python -m pipeline --help; python -m pipeline -m 'optim=glob(*)' runs every optimization")
    sys.stdout.flush()
