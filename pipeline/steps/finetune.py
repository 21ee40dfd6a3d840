"""`finetune`: trains the teacher or the student on the train split and keeps the best epoch on validation.

How they are trained is set in the backbone (`backbone.teacher.finetune`), so that everything that starts from the teacher or
learns from it shares one network. The training itself is in `pipeline/training/trainer.py`. A fine-tuned backbone is loaded.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from pipeline.config import Backbone, Finetuning, Optim, Step, kind, plain, setting
from pipeline.models.checkpoints import identity, locate, weights_of
from pipeline.models.outline import Outline, outline_of_weights
from pipeline.steps.base import Context
from pipeline.steps.load_checkpoint import LoadCheckpoint, label_names, store_checkpoint
from pipeline.steps.shared.trained import recipe_of, require_fitting, start_training, training_inputs
from pipeline.tasks import task_of

log = logging.getLogger(__name__)


@kind("step", "finetune")
@dataclass(frozen=True)
class Finetune(Step):
    """Settings of `conf/step/finetune.yaml`."""

    model: str = setting("teacher", choices=("teacher", "student"))

    code_version: ClassVar[int] = 6
    gives: ClassVar[str] = "torch"

    def role(self, backbone: Backbone) -> str:
        """The one that is fine-tuned."""
        return self.model

    def needs_train(self, backbone: Backbone) -> bool:
        """Not where the weights are a trained classifier."""
        return not weights_of(backbone, self.model).finetuned

    def check_task(self, backbone: Backbone, task: str) -> None:
        """Raises ConfigError where a setting of the training is of another task."""
        weights = weights_of(backbone, self.model)
        if not weights.finetuned:
            require_fitting(weights.finetune, task_of(task))

    def inputs(self, context: Context) -> dict[str, Any]:
        """Besides those of a training, the weights and how they are trained.

        Raises BackboneError when the weights are missing or texts are too long for them.
        """
        weights = weights_of(context.backbone, self.model)
        return training_inputs(context) | {
            "oos": context.splits.oos,
            "weights": identity(context.backbone, self.model),
            "finetuned": weights.finetuned,
            "finetune": {} if weights.finetuned else plain(weights.finetune),
            **(label_names(context) if weights.finetuned else {}),
        }

    def check(self, context: Context, source: Outline | None, needed: Mapping[str, Outline]) -> Outline:
        """Raises BackboneError when no such network can be made from the weights, or the checkpoint has other labels."""
        splits = context.splits
        return outline_of_weights(context.backbone, self.model, list(splits.labels), context.seed, splits.label_names)

    def make(self, context: Context, artifact: Path, scratch: Path) -> dict[str, Any]:
        """Train; returns the curves: one entry an epoch (see `pipeline.training.trainer.train`)."""
        weights = weights_of(context.backbone, self.model)
        if weights.finetuned:
            log.info("the backbone's %s is fine-tuned already: it is loaded, not trained", self.model)
            return store_checkpoint(locate(weights, self.model), context, artifact)
        from pipeline.runtimes.base import Description
        from pipeline.runtimes.torch import save
        from pipeline.training.trainer import train

        how = weights.finetune
        model, tokenizer = start_training(how, context, self.model)
        epochs = how.epochs_on(len(context.splits.train))
        if epochs < how.epochs:
            log.info("%d epochs instead of %d, because of max_steps=%d", epochs, how.epochs, how.max_steps)
        recipe = replace(recipe_of(how, context, how.label_smoothing), epochs=epochs)
        curves = train(model, tokenizer, context.splits.train, context.splits.validation, recipe, scratch)
        backbone, splits = context.backbone, context.splits
        description = Description(
            "torch", list(splits.labels), backbone.max_length, splits.oos, task=splits.task.name, **backbone.windows
        )
        save(model, tokenizer, description, artifact, context.tokenizer_texts)
        return {"curves": curves}


def all_steps(optim: Optim, backbone: Backbone) -> Iterator[Step]:
    """The steps of an optimization, each after those of the optimizations that it needs."""
    for step in optim.steps.values():
        for other in step.needs(backbone).values():
            yield from all_steps(other, backbone)
        yield step


def finetuned_models(optim: Optim, backbone: Backbone) -> set[str]:
    """Which of "teacher" and "student" an optimization needs fine-tuned, for itself or for what its steps need."""
    return {step.model for step in all_steps(optim, backbone) if isinstance(step, Finetune)}


def differences(baseline: Optim, optim: Optim, backbone: Backbone) -> Iterator[str]:
    """One line for each network that `optim` starts from and that was made otherwise than the baseline's."""
    theirs = finetuned_models(baseline, backbone)
    for model in sorted(finetuned_models(optim, backbone) - theirs):
        for other in sorted(theirs):
            one, two = weights_of(backbone, other), weights_of(backbone, model)
            before, after = _told_apart(one.finetune, two.finetune)
            if after and not one.finetuned and not two.finetuned:
                yield (
                    f"the baseline's {other} was fine-tuned with {before}, the {model} of {optim.name} with {after}: "
                    f"backbone.{other}.finetune and backbone.{model}.finetune differ"
                )
    loaded, known = ({*_checkpoints(each, backbone)} for each in (optim, baseline))
    for checkpoint in sorted(loaded - known):
        yield f"{optim.name} starts from checkpoint={checkpoint}, the baseline {baseline.name} does not"


def _checkpoints(optim: Optim, backbone: Backbone) -> Iterator[str]:
    return (step.checkpoint for step in all_steps(optim, backbone) if isinstance(step, LoadCheckpoint))


def _told_apart(one: Finetuning, other: Finetuning) -> tuple[str, str]:
    """The settings that differ, with the values of each."""
    ours, theirs = plain(one), plain(other)
    names = [name for name in ours if ours[name] != theirs[name]]
    first, second = (" ".join(f"{name}={values[name]}" for name in names) for values in (ours, theirs))
    return first, second
