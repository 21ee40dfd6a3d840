"""What the steps that train share: the inputs of a training and its recipe."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.config import Backbone, Step, Training
from pipeline.config.backbone import LOSS
from pipeline.errors import ConfigError
from pipeline.steps.base import Context, versions
from pipeline.tasks import TASKS, Task, task_of

if TYPE_CHECKING:
    from pipeline.training.trainer import Recipe


@dataclass(frozen=True)
class Trained(Training, Step):
    """A step that trains, with settings of its own; each kind has its own defaults."""

    def inputs(self, context: Context) -> dict[str, Any]:
        """Those of every training, see `training_inputs`."""
        return training_inputs(context)

    def check_task(self, backbone: Backbone, task: str) -> None:
        """See `require_fitting`."""
        require_fitting(self, task_of(task))

    def recipe(self, context: Context, label_smoothing: float = 0.0, keep: str = "best") -> "Recipe":
        """See `recipe_of`."""
        return recipe_of(self, context, label_smoothing, keep)


def training_inputs(context: Context) -> dict[str, Any]:
    """What decides a training besides its settings: data, seed, text length and versions; see `pipeline.config.Step`."""
    return {
        "data": context.splits.content_hash,
        "seed": context.seed,
        "max_length": context.backbone.max_length,
        "versions": versions("torch", "transformers", "accelerate", "tokenizers"),
    }


def start_training(training: Training, context: Context, role: str) -> tuple[Any, Any]:
    """The network that a training begins with, the backbone's `role`, and its tokenizer; see `models.build.start`.

    Its new last layer has the biases that suit the train split, see `Task.head_biases`.
    """
    from pipeline.models.build import start
    from pipeline.models.head import set_biases

    task, labels = context.splits.task, list(context.splits.labels)
    model, tokenizer = start(context.backbone, role, labels, context.seed, task.problem_type)
    weights = balanced_weights(training, context)
    biases = task.head_biases(task.truth(context.splits.train, len(labels)), weights)
    if biases is not None:
        set_biases(model, biases)
    return model, tokenizer


def require_fitting(training: Training, task: Task) -> None:
    """Raises ConfigError where a setting is of another task than that of the data."""
    for name in {one.balanced_by for one in TASKS.values()} - {task.balanced_by}:
        if getattr(training, name) != "none":
            raise ConfigError(
                f"{name}={getattr(training, name)}: it has no effect on the task {task.name}; set {task.balanced_by} instead"
            )
    if training.best_by not in (None, LOSS, *task.scores):
        raise ConfigError(
            f"best_by={training.best_by}: the task {task.name} has no such metric; one of {', '.join((*task.scores, LOSS))}"
        )


def balanced_weights(training: Training, context: Context) -> np.ndarray | None:
    """The weights of the labels by the train split, float32 (labels,); None where they weigh alike."""
    splits, task, labels = context.splits, context.splits.task, len(context.splits.labels)
    if getattr(training, task.balanced_by) == "none":
        return None
    return task.balanced_weights(task.truth(splits.train, labels), labels)


def recipe_of(training: Training, context: Context, label_smoothing: float = 0.0, keep: str = "best") -> "Recipe":
    """The settings with maximum length and seed, as `training.trainer.train` takes them."""
    from pipeline.training.trainer import Recipe

    return Recipe(
        epochs=training.epochs, learning_rate=training.learning_rate, batch_size=training.batch_size,
        weight_decay=training.weight_decay, warmup_ratio=training.warmup_ratio,
        freeze_embeddings=training.freeze_embeddings, bfloat16=training.bfloat16, max_length=context.backbone.max_length,
        seed=context.seed, head_lr_multiplier=training.head_lr_multiplier, dropout=training.dropout,
        label_smoothing=label_smoothing, keep=keep, task=context.splits.task, labels=len(context.splits.labels),
        weights=balanced_weights(training, context), best_by=training.best_by or context.splits.task.best_by,
    )  # fmt: skip
