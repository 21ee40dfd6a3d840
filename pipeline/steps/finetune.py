"""`finetune`: the teacher or the student, trained on the train split; the epoch that is best on validation is kept.

The training itself is in `pipeline/training.py`. A backbone that is fine-tuned already is loaded instead.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pipeline.backbone.fetch import identity, locate, weights_of
from pipeline.config import Backbone, Step, kind, setting
from pipeline.steps.base import Context, versions
from pipeline.steps.load import store_checkpoint

log = logging.getLogger(__name__)


@kind("step", "finetune")
@dataclass(frozen=True)
class Finetune(Step):
    """Settings of `conf/step/finetune.yaml`."""

    model: str = setting("teacher", choices=("teacher", "student"))
    epochs: int = setting(8, min=1)
    learning_rate: float = setting(2e-4, above=0, max=1)
    batch_size: int = setting(32, min=1)
    weight_decay: float = setting(0.01, min=0, max=1)
    warmup_ratio: float = setting(0.1, min=0, max=0.99)
    label_smoothing: float = setting(0.1, min=0, max=0.9)
    freeze_embeddings: bool = True
    bfloat16: str = setting("auto", choices=("auto", "always", "never"))

    code_version: ClassVar[int] = 1
    gives: ClassVar[str] = "torch"

    def role(self, backbone: Backbone) -> str:
        """The one it fine-tunes."""
        return self.model

    def inputs(self, context: Context) -> dict[str, Any]:
        """Raises BackboneError when the weights are not to be had."""
        return {
            "data": context.splits.content_hash,
            "oos": context.splits.oos,
            "seed": context.seed,
            "weights": identity(context.backbone, self.model),
            "finetuned": weights_of(context.backbone, self.model).finetuned,
            "max_length": context.backbone.max_length,
            "versions": versions("torch", "transformers", "accelerate", "tokenizers"),
        }

    def make(self, context: Context, artifact: Path, scratch: Path) -> dict[str, Any]:
        """Train; returns the curves: one entry an epoch (see `pipeline.training.train`)."""
        weights = weights_of(context.backbone, self.model)
        if weights.finetuned:
            log.info("the backbone's %s is fine-tuned already: loaded, not trained", self.model)
            return store_checkpoint(locate(weights, self.model), context, artifact)
        from pipeline.backbone.models import start
        from pipeline.classifiers.base import Description
        from pipeline.classifiers.torch import save
        from pipeline.training import Recipe, train

        labels = list(context.splits.labels)
        model, tokenizer = start(context.backbone, self.model, labels, context.seed)
        recipe = Recipe(
            epochs=self.epochs, learning_rate=self.learning_rate, batch_size=self.batch_size, weight_decay=self.weight_decay,
            warmup_ratio=self.warmup_ratio, label_smoothing=self.label_smoothing, bfloat16=self.bfloat16,
            freeze_embeddings=self.freeze_embeddings, max_length=context.backbone.max_length, seed=context.seed,
        )  # fmt: skip
        curves = train(model, tokenizer, context.splits.train, context.splits.validation, recipe, scratch)
        save(model, tokenizer, Description("torch", labels, context.backbone.max_length, context.splits.oos), artifact)
        return {"curves": curves}
