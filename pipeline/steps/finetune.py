"""`finetune`: trains the teacher or the student on the train split and keeps the best epoch on validation.

The training itself is in `pipeline/training/trainer.py`. A fine-tuned backbone is loaded, not trained.
"""

import logging
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from pipeline.config import Backbone, kind, setting
from pipeline.models.checkpoints import identity, locate, weights_of
from pipeline.models.limits import require_positions
from pipeline.steps.base import Context
from pipeline.steps.load_checkpoint import store_checkpoint
from pipeline.steps.shared.trained import Trained

log = logging.getLogger(__name__)


@kind("step", "finetune")
@dataclass(frozen=True)
class Finetune(Trained):
    """Settings of `conf/step/finetune.yaml`."""

    model: str = setting("teacher", choices=("teacher", "student"))
    learning_rate: float = setting(3e-4, above=0, max=1)
    batch_size: int = setting(64, min=1)
    head_lr_multiplier: float = setting(10.0, above=0, max=1000)
    max_steps: int | None = setting(750, min=1)
    label_smoothing: float = setting(0.1, min=0, max=0.9)

    code_version: ClassVar[int] = 4
    gives: ClassVar[str] = "torch"

    def role(self, backbone: Backbone) -> str:
        """The one that is fine-tuned."""
        return self.model

    def epochs_on(self, texts: int) -> int:
        """`epochs`, or fewer so that `texts` texts make about `max_steps` steps; at least one."""
        if self.max_steps is None:
            return self.epochs
        return max(1, min(self.epochs, round(self.max_steps / math.ceil(texts / self.batch_size))))

    def inputs(self, context: Context) -> dict[str, Any]:
        """Besides those of a training, the weights. Raises BackboneError when they are missing or texts are too long."""
        require_positions(context.backbone, self.model)
        return super().inputs(context) | {
            "oos": context.splits.oos,
            "weights": identity(context.backbone, self.model),
            "finetuned": weights_of(context.backbone, self.model).finetuned,
        }

    def make(self, context: Context, artifact: Path, scratch: Path) -> dict[str, Any]:
        """Train; returns the curves: one entry an epoch (see `pipeline.training.trainer.train`)."""
        weights = weights_of(context.backbone, self.model)
        if weights.finetuned:
            log.info("the backbone's %s is fine-tuned already: it is loaded, not trained", self.model)
            return store_checkpoint(locate(weights, self.model), context, artifact)
        from pipeline.models.build import start
        from pipeline.runtimes.base import Description
        from pipeline.runtimes.torch import save
        from pipeline.training.trainer import train

        labels = list(context.splits.labels)
        model, tokenizer = start(context.backbone, self.model, labels, context.seed)
        epochs = self.epochs_on(len(context.splits.train))
        if epochs < self.epochs:
            log.info("%d epochs instead of %d, because of max_steps=%d", epochs, self.epochs, self.max_steps)
        recipe = replace(self.recipe(context, self.label_smoothing), epochs=epochs)
        curves = train(model, tokenizer, context.splits.train, context.splits.validation, recipe, scratch)
        description = Description("torch", labels, context.backbone.max_length, context.splits.oos)
        save(model, tokenizer, description, artifact, context.tokenizer_texts)
        return {"curves": curves}
