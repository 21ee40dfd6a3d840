"""After a run's measurement: its comparison with the other runs, and the summary."""

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
    """Write table and plots of this run and all comparable runs, and log them; without `tracked` they are only written."""
    others = others_of(job, row)
    with tempfile.TemporaryDirectory() as name:  # another job may write the same comparison at the same time
        folder = Path(name)
        explanation = noise_floor.explanation(job.tracker, [row, *others])
        table = tables.write([row, *others], row.optim, job.tracker.experiment, folder, explanation)
        if tracked is not None:
            tracked.log_comparison(folder, f"{table.markdown()}\n\n{explanation}")
        target = job.config.folder("comparison")
        with locks.file_lock(target.with_suffix(".lock"), "waiting for another job that writes the comparison"):
            shutil.copytree(folder, target, dirs_exist_ok=True)


def others_of(job: Job, row: Row) -> list[Row]:
    """The newest runs of the other optimizations that are comparable with this one."""
    this = (row.optim, row.is_baseline)
    return [other for other in job.tracker.rows(job.comparable) if (other.optim, other.is_baseline) != this]


def summarize(job: Job, row: Row) -> None:
    """Print the table, the results of this run, the location of the plot, and the next command."""
    config, tracker = job.config, job.tracker
    if config.sweep.id is not None:  # the sweep prints a summary at its end
        metrics = {column.title: column.text(row) for column in tables.columns()}
        shown = ("accuracy %", "faster", "verdict", "smaller")
        log.info("%s: %s", row.name, ", ".join(f"{title} {metrics[title]}" for title in shown))
        return
    rows = [row, *others_of(job, row)]
    few = len(rows) <= 2
    text = summary.summary_text(
        tables.table(rows),
        summary.run_lines(row, rows),
        noise_floor.explanation(tracker, rows) if config.explain else "",
        plot=os.path.relpath(config.folder("comparison") / "comparison.png"),
        MLflow=view.address(tracker.connection, config.track.root, tracker.experiment_id),
        next=summary.command("-m", ["optim=glob(*)"]) if few else summary.command("decide"),
    )
    print(text, flush=True)
