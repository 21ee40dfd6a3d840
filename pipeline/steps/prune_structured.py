"""`prune_structured`: removes the least important attention heads and feed-forward neurons, then continues training.

Matrices become smaller, so the classifier is smaller and faster on any runtime, unlike after `prune`. Importance and removal
are in `pipeline/models/units.py`.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pipeline.config import kind, setting
from pipeline.models.outline import Outline
from pipeline.steps.base import Context
from pipeline.steps.shared.trained import Trained

log = logging.getLogger(__name__)


@kind("step", "prune_structured")
@dataclass(frozen=True)
class PruneStructured(Trained):
    """Settings of `conf/step/prune_structured.yaml`."""

    heads_kept: float = setting(0.5, above=0, max=1)
    neurons_kept: float = setting(0.5, above=0, max=1)
    importance_samples: int = setting(512, min=1)
    epochs: int = setting(6, min=1)
    label_smoothing: float = setting(0.1, min=0, max=0.9)

    code_version: ClassVar[int] = 4
    takes: ClassVar[tuple[str, ...]] = ("torch",)
    gives: ClassVar[str] = "torch"

    def check(self, context: Context, source: Outline | None, needed: Mapping[str, Outline]) -> Outline | None:
        """Raises OptimizationError as `units.require_units` does."""
        if source is not None and source.network is not None:
            from pipeline.models.units import require_units

            require_units(source.network, self.heads_kept, self.neurons_kept)
        return source

    def make(self, context: Context, artifact: Path, scratch: Path) -> dict[str, Any]:
        """Prune and train; metrics: the shares of heads, neurons and encoder parameters that are left.

        Raises OptimizationError as `units.require_units` does.
        """
        from pipeline.runtimes.base import Description
        from pipeline.runtimes.torch import read, read_tokenizer, save_compact
        from pipeline.training.trainer import train

        assert context.source is not None
        model, tokenizer = read(context.source), read_tokenizer(context.source)
        metrics = self._prune(model, tokenizer, context)  # deterministic, so an interrupted training fits it
        recipe = self.recipe(context, self.label_smoothing)
        curves = train(model, tokenizer, context.splits.train, context.splits.validation, recipe, scratch)
        save_compact(model, tokenizer, Description.read(context.source), artifact, context.tokenizer_texts)
        return {"curves": curves, "metrics": metrics}

    def _prune(self, model: Any, tokenizer: Any, context: Context) -> dict[str, float]:
        from pipeline.models.students import prune_by_importance, sample_batches

        before = _counted(model)
        some = sample_batches(
            model, tokenizer, context.splits.train, self.importance_samples, context.backbone.max_length, context.seed,
            context.splits.task, len(context.splits.labels),
        )  # fmt: skip
        prune_by_importance(model, some, self.heads_kept, self.neurons_kept, context.splits.task)
        left = _counted(model)
        log.info("kept: %s", ", ".join(f"{left[name]:,} of {before[name]:,} {name}" for name in before))
        return {f"prune/{name}_kept": left[name] / before[name] for name in before}


def _counted(model: Any) -> dict[str, int]:
    from pipeline.models.layers import layers

    found = layers(model)
    return {
        "heads": sum(layer.heads for layer in found),
        "neurons": sum(layer.neurons for layer in found),
        "parameters": sum(parameter.numel() for layer in found for parameter in layer.module.parameters()),
    }
