"""What follows a run's measuring: its comparison with the others, the summary, its publication."""

import logging
import os
import shutil
import sys
import tempfile
from pathlib import Path

from pipeline import compare, publish, turns
from pipeline.describe import base_models
from pipeline.noise import floor
from pipeline.optimize import Made
from pipeline.prepare import Job
from pipeline.rows import Row
from pipeline.track import view
from pipeline.track.run import Run

log = logging.getLogger(__name__)


def log_comparison(job: Job, tracked: Run, row: Row) -> None:
    """Draw this run among all that compare with it, and log table and plot."""
    others = others_of(job, row)
    with tempfile.TemporaryDirectory() as name:  # another job may draw the same comparison at this moment
        folder = Path(name)
        explained = floor.explained(job.tracker, [row, *others])
        table = compare.write([row, *others], row.optim, job.tracker.experiment, folder, explained)
        tracked.log_comparison(folder, f"{table.markdown()}\n\n{explained}")
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
        shown = ("accuracy %", "faster", "verdict", "smaller")
        log.info("%s: %s", row.name, ", ".join(f"{title} {figures[title]}" for title in shown))
        return
    rows = [row, *others_of(job, row)]
    print(f"\n{compare.table(rows).plain()}\n\n{floor.explained(tracker, rows)}\n")
    print(f"plot:    {os.path.relpath(compare.folder_of(config) / 'comparison.png')}")
    print(f"MLflow:  {view.address(tracker.connection, config.track.root, tracker.experiment_id)}")
    print("next:    python -m pipeline --help; python -m pipeline -m 'optim=glob(*)' runs every optimization")
    sys.stdout.flush()


def push(job: Job, row: Row, made: Made) -> None:
    """Publish the artifact with its model card."""
    config = job.config
    assert config.publish.hub is not None
    rows = [row, *(other for other in others_of(job, row) if other.is_baseline)]
    card = publish.Card(
        optim=row.optim, data=config.data.name, backbone=config.backbone.name, steps=tuple(config.optim.steps),
        table_markdown=f"{compare.table(rows).markdown()}\n\n{floor.explained(job.tracker, rows)}",
        plot=compare.folder_of(config) / "comparison.png", metrics=row.metrics, labels=tuple(job.context.splits.labels),
        base_models=base_models(config),
    )  # fmt: skip
    log.info("published: %s", publish.publish(made.artifact, config.publish.hub, card))
