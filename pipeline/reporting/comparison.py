"""What follows a run's measuring: its comparison with the others, and the summary."""

import logging
import os
import shutil
import tempfile
from pathlib import Path

from pipeline.evaluation.rows import Row
from pipeline.reporting import noise_floor, summary, tables
from pipeline.system import locks
from pipeline.tracking import view
from pipeline.tracking.job import Job
from pipeline.tracking.run import Run

log = logging.getLogger(__name__)


def log_comparison(job: Job, tracked: Run | None, row: Row) -> None:
    """Draw this run among all that compare with it, and log table and plot; without `tracked` they are drawn only."""
    others = others_of(job, row)
    with tempfile.TemporaryDirectory() as name:  # another job may draw the same comparison at this moment
        folder = Path(name)
        explained = noise_floor.explained(job.tracker, [row, *others])
        table = tables.write([row, *others], row.optim, job.tracker.experiment, folder, explained)
        if tracked is not None:
            tracked.log_comparison(folder, f"{table.markdown()}\n\n{explained}")
        target = job.config.folder("comparison")
        with locks.file_lock(target.with_suffix(".lock"), "waiting for another job that draws"):
            shutil.copytree(folder, target, dirs_exist_ok=True)


def others_of(job: Job, row: Row) -> list[Row]:
    """The newest runs of the other optimizations that compare with this one."""
    this = (row.optim, row.is_baseline)
    return [other for other in job.tracker.rows(job.comparable) if (other.optim, other.is_baseline) != this]


def summarize(job: Job, row: Row) -> None:
    """Print the table, what this run did, where things are, and what to do next."""
    config, tracker = job.config, job.tracker
    if config.sweep.id is not None:  # the whole is told at its end
        metrics = {column.title: column.text(row) for column in tables.columns()}
        shown = ("accuracy %", "faster", "verdict", "smaller")
        log.info("%s: %s", row.name, ", ".join(f"{title} {metrics[title]}" for title in shown))
        return
    rows = [row, *others_of(job, row)]
    few = len(rows) <= 2
    text = summary.told(
        tables.table(rows),
        summary.of_one(row, rows),
        noise_floor.explained(tracker, rows) if config.explain else "",
        plot=os.path.relpath(config.folder("comparison") / "comparison.png"),
        MLflow=view.address(tracker.connection, config.track.root, tracker.experiment_id),
        next=summary.command("-m", ["optim=glob(*)"]) if few else summary.command("decide"),
    )
    print(text, flush=True)
