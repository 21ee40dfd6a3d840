"""The inputs of a job: the loaded and checked data, the store, the experiment in MLflow."""

import logging
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from pipeline.config import Config
from pipeline.data.splits import Splits
from pipeline.models.outline import Outline
from pipeline.steps.base import Context
from pipeline.steps.execute import check_steps, plan
from pipeline.steps.finetune import differences
from pipeline.steps.store import Store
from pipeline.system import locks
from pipeline.tracking import view
from pipeline.tracking.identity import comparable_key
from pipeline.tracking.runs import Tracker
from pipeline.tracking.server import connect

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """What the two runs of a job, the baseline's and the optimization's, share."""

    config: Config
    context: Context
    store: Store
    tracker: Tracker
    comparable: str


def prepare(config: Config) -> Job:
    """Load and check the data, check the steps, then open the store and MLflow."""
    splits: Splits = config.data.load(config.seed)
    rows = f"{len(splits.train)} train, {len(splits.validation)} validation, {len(splits.test)} test texts"
    log.info("%s: %s, %d labels", config.data.name, rows, len(splits.labels))
    context, store = Context(splits, config.backbone, config.seed), Store(Path(config.track.root))
    check_before_making(config, context, store)
    tracker = Tracker(connect(config.track), config.experiment_name)
    tracker.close_orphans()
    view.share(tracker.client, tracker.experiment_id)
    return Job(config, context, store, tracker, comparable_key(config, context))


def check_before_making(config: Config, context: Context, store: Store) -> None:
    """Raises UserError if the optimization or its baseline is known not to work; says how their trainings differ.

    What is on disk worked before, so it is not looked at.
    """
    known: dict[str, Outline] = {}
    for optim in (config.optim, config.baseline):
        if not store.has(plan(optim, context)[-1]):
            check_steps(optim, context, known)
    for line in differences(config.baseline, config.optim, config.backbone):
        log.info("%s", line)


def baseline_lock(job: Job) -> AbstractContextManager[None]:
    """A lock that only one job holds while it measures the baseline. Jobs that waited find its run."""
    lock = Path(job.config.track.root) / "stages" / ".locks" / f"baseline-{job.comparable}"
    return locks.file_lock(lock, f"waiting for another job to measure the baseline {job.config.baseline.name}")
