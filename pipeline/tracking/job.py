"""The inputs of a job: the loaded and checked data, the store, the experiment in MLflow."""

import logging
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.config import Backbone, Config, Optim
from pipeline.data.splits import Splits
from pipeline.errors import ConfigError, DataError
from pipeline.models import coverage, text_length
from pipeline.models.outline import Outline
from pipeline.runtimes.base import TOKENIZER
from pipeline.steps.base import Context
from pipeline.steps.execute import check_order, check_steps, plan
from pipeline.steps.finetune import all_steps, differences
from pipeline.steps.store import Store
from pipeline.system import locks
from pipeline.tasks import TASKS, Task
from pipeline.tasks.inputs import Input, Inputs
from pipeline.tracking import view
from pipeline.tracking.identity import comparable_key
from pipeline.tracking.runs import Tracker
from pipeline.tracking.server import connect

log = logging.getLogger(__name__)
QUALITY = re.compile(r"validation/(?:argmax_|delta_)?(\w+?)(?:_pp)?(?:_low|_high)?")  # a metric of answers


@dataclass(frozen=True)
class Planned:
    """An optimization whose tokenizer is known."""

    optim: str
    fingerprint: str
    backbone: Backbone
    tokenizer: Any  # of the library tokenizers


@dataclass(frozen=True)
class Seen:
    """What a classifier sees of the training texts, see `pipeline.models.coverage`."""

    metrics: dict[str, float]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Job:
    """What the two runs of a job, the baseline's and the optimization's, share."""

    config: Config
    context: Context
    store: Store
    tracker: Tracker
    comparable: str
    seen: dict[str, Seen] = field(default_factory=dict)  # by fingerprint: of the optimization, and of the baseline


def prepare(config: Config) -> Job:
    """Load and check the data, check the steps, then open the store and MLflow. The job's `config` has no `auto` left."""
    splits: Splits = config.data.load(config.seed)
    rows = f"{len(splits.train)} train, {len(splits.validation)} validation, {len(splits.test)} test texts"
    log.info("%s: %s, %d labels", config.data.name, rows, len(splits.labels))
    backbone, splits = text_length.resolve(config.backbone, splits, config.seed)
    config = replace(config, backbone=backbone)
    context, store = Context(splits, config.backbone, config.seed), Store(Path(config.track.root))
    seen = _seen(check_before_making(config, context, store), splits, config.seed)
    tracker = Tracker(connect(config.track), config.experiment_name)
    tracker.close_orphans()
    view.share(tracker.client, tracker.experiment_id, splits.task.best_by)
    return Job(config, context, store, tracker, comparable_key(config, context), seen)


def require_task(config: Config, task: Task) -> None:
    """Raises UserError where one text is to be timed, or windows are wanted, and the classifiers take pairs of texts.

    Also where an objective is a metric of another task.
    """
    if config.measure.protocol == "book" and config.measure.query is not None and task.pairs:
        raise ConfigError(
            "measure.query is one text, and the data has pairs of texts; set measure.query=null for its first pair"
        )
    text_length.require_windows_for(config.backbone, task)
    others = {name for one in TASKS.values() for name in one.qualities} - set(task.qualities)
    for name in config.objective:
        found = QUALITY.fullmatch(name)
        if found is not None and found[1] in others:
            known = ", ".join(f"validation/{each}" for each in task.qualities)
            raise ConfigError(f"objective={name}: the task {task.name} has no such metric; of the answers it has {known}")


def check_before_making(
    config: Config, context: Context, store: Store, known: dict[str, Outline] | None = None
) -> list[Planned]:
    """Raises UserError if the optimization or its baseline is known not to work; says how their trainings differ.

    What is on disk worked before, so it is not looked at. known: as for `check_steps`. Returns what is known of those that
    have a tokenizer.
    """
    known = {} if known is None else known
    require_task(config, context.splits.task)
    for where, optim in (("optim", config.optim), ("baseline", config.baseline)):
        check_order(optim, config.backbone, where, context.splits.task.name)
        if not len(context.splits.train):
            require_nothing_learned(optim, config.backbone, where)
    planned = []
    for optim in (config.optim, config.baseline):
        recipe = plan(optim, context)[-1]
        tokenizer = _stored_tokenizer(store.file(recipe, TOKENIZER))
        if not store.has(recipe):
            outlined = check_steps(optim, context, known).tokenizer
            tokenizer = None if outlined is None else outlined.backend_tokenizer
        if tokenizer is not None:
            planned.append(Planned(optim.name, recipe.fingerprint, context.backbone, tokenizer))
    for line in differences(config.baseline, config.optim, config.backbone):
        log.info("%s", line)
    return planned


def require_nothing_learned(optim: Optim, backbone: Backbone, where: str = "optim") -> None:
    """Raises DataError where a step reads training texts, for data without them."""
    learning = [step.kind for step in all_steps(optim, backbone) if step.needs_train(backbone)]
    if learning:
        raise DataError(
            f"{where}={optim.name} reads training texts ({', '.join(dict.fromkeys(learning))}), and data.train is not set; "
            "give it with data.train=FILE, or take an optimization of a fine-tuned model that trains nothing, such as "
            "baseline_onnx_int8"
        )


def _stored_tokenizer(path: Path | None) -> Any:
    from tokenizers import Tokenizer

    return None if path is None else Tokenizer.from_file(str(path))


def _seen(planned: Sequence[Planned], splits: Splits, seed: int) -> dict[str, Seen]:
    """By fingerprint, what is cut and unknown of the training texts; told once for those that see the same."""
    texts = coverage.sample(Inputs(splits.looked_at), seed) if planned else []
    seen: dict[str, Seen] = {}
    told: dict[str, Seen] = {}
    for each in planned:
        tokens = each.tokenizer.to_str()
        if tokens not in told:
            told[tokens] = _tell(each, texts, len(splits.looked_at))
        seen[each.fingerprint] = told[tokens]
    return seen


def _tell(planned: Planned, texts: list[Input], of: int) -> Seen:
    """Tells how many texts are cut, and warns where much is cut or unknown."""
    counts, backbone = coverage.count(texts, planned.tokenizer), planned.backbone
    metrics = coverage.of_counts(counts, text_length.read_length(backbone, planned.tokenizer)).metrics()
    severe, lines, notes = coverage.lines(metrics), coverage.lines(metrics, all_cuts=True), []
    if backbone.window is not None:
        lines += coverage.untrained(coverage.of_counts(counts, backbone.max_length))
    for line in lines:
        notes.append(f"{planned.optim}: {line} (max_length={backbone.max_length}; counted on {len(texts)} of {of})")
        log.log(logging.WARNING if line in severe else logging.INFO, "%s%s", "warning: " * (line in severe), notes[-1])
    return Seen(metrics, tuple(notes))


def baseline_lock(job: Job) -> AbstractContextManager[None]:
    """A lock that only one job holds while it measures the baseline. Jobs that waited find its run."""
    lock = Path(job.config.track.root) / "stages" / ".locks" / f"baseline-{job.comparable}"
    return locks.file_lock(lock, f"waiting for another job to measure the baseline {job.config.baseline.name}")
