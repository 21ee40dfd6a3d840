"""Reuses an earlier measurement: finds its run and copies it into a new run.

A measurement is reused if artifact, baseline, all measuring settings, machine and package versions are the same, unless
other work on the machine disturbed it.
"""

import logging
import tempfile
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline.evaluation.report import TAGS
from pipeline.evaluation.rows import Row
from pipeline.tracking.run import Run
from pipeline.tracking.runs import Identity, Tracker

log = logging.getLogger(__name__)
COPIED_FROM, MEASURED_AT = "measured_in", "measured_at"  # tags of a copy: the measured run, and the time
NOT_COPIED = ("config.yaml", "decision", "doctor.md")  # artifacts of each run itself
METRICS_NOT_COPIED = ("training/", "search/")  # prefixes of a run's own metrics


def find_measurement(tracker: Tracker, own: Identity) -> Any | None:
    """The newest finished run with the measurement that a run of this identity would get; None without one."""
    same = {"measurement": own.measurement, "comparable": own.comparable, "fingerprint": own.fingerprint, "role": own.role}
    query = " and ".join(f"tags.{name} = '{value}'" for name, value in same.items())
    doubtful = ""
    for run in tracker.finished(f"{query} and tags.optim = '{own.optim}'"):
        if "contended" not in run.data.tags:
            return run
        doubtful = doubtful or run.data.tags["contended"]
    if doubtful:
        log.info("%s was measured before on a busy machine (%s), so it is measured again", own.optim, doubtful)
    return None


def row_of_measurement(tracker: Tracker, run: Any) -> Row:
    """The row of such a run, with the time of the measurement."""
    return replace(tracker.row(run.info.run_id), measured_at=measured_at(run))


def measured_at(run: Any) -> str:
    """When a run was measured: local date and time."""
    ended = datetime.fromtimestamp(run.info.end_time / 1000).astimezone()
    return str(run.data.tags.get(MEASURED_AT, f"{ended:%Y-%m-%d %H:%M}"))


def copy_measurement(tracker: Tracker, source: Any, run: Run) -> None:
    """Copy metrics, tags and files of a measured run into another run, which keeps its own settings and training."""
    from mlflow.entities import Metric, RunTag

    client, now = tracker.client, int(time.time() * 1000)
    names = [name for name in source.data.metrics if not name.startswith(METRICS_NOT_COPIED)]
    points = [
        Metric(point.key, point.value, now, point.step)
        for name in names
        for point in (client.get_metric_history(source.info.run_id, name) if name.startswith("profile/") else [])
    ]
    points += [Metric(name, source.data.metrics[name], now, 0) for name in names if not name.startswith("profile/")]
    original = source.data.tags.get(COPIED_FROM, source.info.run_id)
    tags = {name: source.data.tags[name] for name in TAGS if name in source.data.tags}
    tags |= {COPIED_FROM: original, MEASURED_AT: measured_at(source)}
    client.log_batch(run.run_id, metrics=points, tags=[RunTag(*tag) for tag in tags.items()])
    with tempfile.TemporaryDirectory() as folder:
        for item in client.list_artifacts(source.info.run_id):
            if item.path not in NOT_COPIED and not item.path.startswith("model-"):  # a registered model stays with its run
                client.download_artifacts(source.info.run_id, item.path, folder)
        run.log_folder(Path(folder))
