"""What the steps that train share: the settings of a training, its inputs and its recipe."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.config import Step, setting
from pipeline.steps.base import Context, versions

if TYPE_CHECKING:
    from pipeline.training.trainer import Recipe


@dataclass(frozen=True)
class Trained(Step):
    """A step that trains; each kind has its own defaults."""

    epochs: int = setting(8, min=1)
    learning_rate: float = setting(2e-4, above=0, max=1)
    batch_size: int = setting(32, min=1)
    weight_decay: float = setting(0.01, min=0, max=1)
    warmup_ratio: float = setting(0.1, min=0, max=0.99)
    freeze_embeddings: bool = True
    head_lr_multiplier: float = setting(1.0, above=0, max=1000)
    dropout: float | None = setting(None, min=0, max=0.9)
    bfloat16: str = setting("auto", choices=("auto", "always", "never"))

    def inputs(self, context: Context) -> dict[str, Any]:
        """Data, seed, text length and versions; see `pipeline.config.Step`."""
        return {
            "data": context.splits.content_hash,
            "seed": context.seed,
            "max_length": context.backbone.max_length,
            "versions": versions("torch", "transformers", "accelerate", "tokenizers"),
        }

    def recipe(self, context: Context, label_smoothing: float = 0.0, keep: str = "best") -> "Recipe":
        """The settings with maximum length and seed, as `training.trainer.train` takes them."""
        from pipeline.training.trainer import Recipe

        return Recipe(
            epochs=self.epochs, learning_rate=self.learning_rate, batch_size=self.batch_size, weight_decay=self.weight_decay,
            warmup_ratio=self.warmup_ratio, freeze_embeddings=self.freeze_embeddings, bfloat16=self.bfloat16,
            max_length=context.backbone.max_length, seed=context.seed,
            head_lr_multiplier=self.head_lr_multiplier, dropout=self.dropout, label_smoothing=label_smoothing, keep=keep,
        )  # fmt: skip
