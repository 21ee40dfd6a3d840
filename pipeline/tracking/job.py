"""What a job needs before its first step: data that is loaded and checked, the store, the experiment in MLflow."""

import logging
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from pipeline.config import Config
from pipeline.data.splits import Splits
from pipeline.steps.base import Context
from pipeline.steps.execute import plan
from pipeline.steps.store import Store
from pipeline.system import locks
from pipeline.tracking import view
from pipeline.tracking.identity import comparable_key
from pipeline.tracking.runs import Tracker
from pipeline.tracking.server import connect

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """What both runs of a job, the baseline's and the optimization's, have in common."""

    config: Config
    context: Context
    store: Store
    tracker: Tracker
    comparable: str


def prepare(config: Config) -> Job:
    """Load and check the data, see that the weights are to be had, then open the store and MLflow."""
    splits: Splits = config.data.load(config.seed)
    rows = f"{len(splits.train)} train, {len(splits.validation)} validation, {len(splits.test)} test texts"
    log.info("%s: %s, %d labels", config.data.name, rows, len(splits.labels))
    context = Context(splits, config.backbone, config.seed)
    for optim in (config.optim, config.baseline):
        plan(optim, context)
    tracker = Tracker(connect(config.track), config.experiment_name)
    tracker.close_orphans()
    view.share(tracker.client, tracker.experiment_id)
    return Job(config, context, Store(Path(config.track.root)), tracker, comparable_key(config, context))


def only_one(job: Job) -> AbstractContextManager[None]:
    """One job at a time that measures the baseline: those that wait find its run."""
    lock = Path(job.config.track.root) / "stages" / ".locks" / f"baseline-{job.comparable}"
    return locks.file_lock(lock, f"waiting for another job that measures the baseline {job.config.baseline.name}")
