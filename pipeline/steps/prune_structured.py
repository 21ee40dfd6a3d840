"""`prune_structured`: attention heads and feed-forward neurons that matter least are removed, then it is trained on.

Matrices become smaller, so the classifier is smaller and faster on any runtime, unlike after `prune`. What matters, and how
a network is made smaller, is in `pipeline/structure.py`.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pipeline.config import kind, setting
from pipeline.errors import OptimizationError
from pipeline.steps.base import Context
from pipeline.steps.trained import Trained

log = logging.getLogger(__name__)
BATCH_SIZE = 32  # texts whose gradients are computed at once


@kind("step", "prune_structured")
@dataclass(frozen=True)
class PruneStructured(Trained):
    """Settings of `conf/step/prune_structured.yaml`."""

    heads_kept: float = setting(0.5, above=0, max=1)
    neurons_kept: float = setting(0.5, above=0, max=1)
    importance_texts: int = setting(512, min=1)
    epochs: int = setting(6, min=1)
    label_smoothing: float = setting(0.1, min=0, max=0.9)

    code_version: ClassVar[int] = 1
    takes: ClassVar[tuple[str, ...]] = ("torch",)
    gives: ClassVar[str] = "torch"

    def make(self, context: Context, artifact: Path, scratch: Path) -> dict[str, Any]:
        """Prune and train; figures: the shares of heads, neurons and encoder parameters that are left.

        Raises OptimizationError when the network is not built like BERT or DistilBERT.
        """
        from pipeline.classifiers.base import Description
        from pipeline.classifiers.torch import read, read_tokenizer, save_compact
        from pipeline.training import train

        assert context.source is not None
        model, tokenizer = read(context.source), read_tokenizer(context.source)
        figures = self._prune(model, tokenizer, context)  # the same each time, so an interrupted training fits it
        recipe = self.recipe(context, self.label_smoothing)
        curves = train(model, tokenizer, context.splits.train, context.splits.validation, recipe, scratch)
        save_compact(model, tokenizer, Description.read(context.source), artifact)
        return {"curves": curves, "figures": figures}

    def _prune(self, model: Any, tokenizer: Any, context: Context) -> dict[str, float]:
        from pipeline.structure import importance, layers, prune, select

        if not layers(model):
            told = f"no heads can be removed from a network of type {model.config.model_type!r}"
            raise OptimizationError(f"prune_structured: {told}, only from one built like BERT or DistilBERT; use prune")
        before = _counted(model)
        scores = importance(model, self._batches(tokenizer, context))
        prune(model, select(scores, self.heads_kept, self.neurons_kept))
        left = _counted(model)
        log.info("kept: %s", ", ".join(f"{left[name]:,} of {before[name]:,} {name}" for name in before))
        return {f"prune/{name}_kept": left[name] / before[name] for name in before}

    def _batches(self, tokenizer: Any, context: Context) -> Iterator[dict[str, Any]]:
        import torch

        train, length = context.splits.train, context.backbone.max_length
        count = min(self.importance_texts, len(train))
        rows = np.random.default_rng(context.seed).choice(len(train), count, replace=False)
        for start in range(0, count, BATCH_SIZE):
            batch = train[rows[start : start + BATCH_SIZE]]
            encoded = tokenizer(batch["text"], padding=True, truncation=True, max_length=length, return_tensors="pt")
            yield {**encoded, "labels": torch.tensor(batch["label"])}


def _counted(model: Any) -> dict[str, int]:
    from pipeline.structure import layers

    found = layers(model)
    return {
        "heads": sum(layer.heads for layer in found),
        "neurons": sum(layer.neurons for layer in found),
        "parameters": sum(parameter.numel() for layer in found for parameter in layer.module.parameters()),
    }
