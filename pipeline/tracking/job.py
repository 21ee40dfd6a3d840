"""The inputs of a job: the loaded and checked data, the store, the experiment in MLflow."""

import logging
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.config import Config
from pipeline.data.splits import Splits
from pipeline.models import coverage
from pipeline.models.outline import Outline
from pipeline.steps.base import Context
from pipeline.steps.execute import check_steps, plan
from pipeline.steps.finetune import differences
from pipeline.steps.store import Store
from pipeline.system import locks
from pipeline.tasks.single_label import TEXT
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
    data_metrics: dict[str, float] = field(default_factory=dict)  # of the training texts, see `pipeline.models.coverage`


def prepare(config: Config) -> Job:
    """Load and check the data, check the steps, then open the store and MLflow."""
    splits: Splits = config.data.load(config.seed)
    rows = f"{len(splits.train)} train, {len(splits.validation)} validation, {len(splits.test)} test texts"
    log.info("%s: %s, %d labels", config.data.name, rows, len(splits.labels))
    context, store = Context(splits, config.backbone, config.seed), Store(Path(config.track.root))
    check_before_making(config, context, store)
    data_metrics = _coverage(config, splits)
    tracker = Tracker(connect(config.track), config.experiment_name)
    tracker.close_orphans()
    view.share(tracker.client, tracker.experiment_id)
    return Job(config, context, store, tracker, comparable_key(config, context), data_metrics)


def check_before_making(config: Config, context: Context, store: Store, known: dict[str, Outline] | None = None) -> None:
    """Raises UserError if the optimization or its baseline is known not to work; says how their trainings differ.

    What is on disk worked before, so it is not looked at. known: as for `check_steps`.
    """
    known = {} if known is None else known
    for optim in (config.optim, config.baseline):
        if not store.has(plan(optim, context)[-1]):
            check_steps(optim, context, known)
    for line in differences(config.baseline, config.optim, config.backbone):
        log.info("%s", line)


def _coverage(config: Config, splits: Splits) -> dict[str, float]:
    """Metrics of the training texts with the baseline's tokenizer, or the optimization's; {} where neither has one.

    Tells how many texts are cut, and warns where much is cut or unknown.
    """
    roles = [next(iter(optim.steps.values())).role(config.backbone) for optim in (config.baseline, config.optim)]
    role = next((role for role in roles if role is not None), None)
    if role is None:
        return {}
    texts = coverage.sample(splits.train[TEXT], config.seed)
    metrics = coverage.measure(texts, coverage.tokenizer_of(config.backbone, role), config.backbone.max_length).metrics()
    severe = coverage.lines(metrics, config.backbone.max_length)
    for line in coverage.lines(metrics, config.backbone.max_length, all_cuts=True):
        counted = f"{line} (counted on {len(texts)} of {len(splits.train)})"
        log.log(logging.WARNING if line in severe else logging.INFO, "%s%s", "warning: " * (line in severe), counted)
    return metrics


def baseline_lock(job: Job) -> AbstractContextManager[None]:
    """A lock that only one job holds while it measures the baseline. Jobs that waited find its run."""
    lock = Path(job.config.track.root) / "stages" / ".locks" / f"baseline-{job.comparable}"
    return locks.file_lock(lock, f"waiting for another job to measure the baseline {job.config.baseline.name}")
