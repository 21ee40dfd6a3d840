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

from pipeline.config import Step, kind, setting
from pipeline.errors import OptimizationError
from pipeline.steps.base import Context, versions

log = logging.getLogger(__name__)
BATCH_SIZE = 32  # texts whose gradients are computed at once


@kind("step", "prune_structured")
@dataclass(frozen=True)
class PruneStructured(Step):
    """Settings of `conf/step/prune_structured.yaml`."""

    heads_kept: float = setting(0.5, above=0, max=1)
    neurons_kept: float = setting(0.5, above=0, max=1)
    importance_texts: int = setting(512, min=1)
    epochs: int = setting(6, min=1)
    learning_rate: float = setting(2e-4, above=0, max=1)
    batch_size: int = setting(32, min=1)
    weight_decay: float = setting(0.01, min=0, max=1)
    warmup_ratio: float = setting(0.1, min=0, max=0.99)
    label_smoothing: float = setting(0.1, min=0, max=0.9)
    freeze_embeddings: bool = True
    bfloat16: str = setting("auto", choices=("auto", "always", "never"))

    code_version: ClassVar[int] = 1
    takes: ClassVar[tuple[str, ...]] = ("torch",)
    gives: ClassVar[str] = "torch"

    def inputs(self, context: Context) -> dict[str, Any]:
        """Data, seed, text length and versions; the network is the previous stage's."""
        return {
            "data": context.splits.content_hash,
            "seed": context.seed,
            "max_length": context.backbone.max_length,
            "versions": versions("torch", "transformers", "accelerate", "tokenizers"),
        }

    def make(self, context: Context, artifact: Path, scratch: Path) -> dict[str, Any]:
        """Prune and train; figures: the shares of heads, neurons and encoder parameters that are left.

        Raises OptimizationError when the network is not built like BERT or DistilBERT.
        """
        from pipeline.classifiers.base import Description
        from pipeline.classifiers.torch import read, read_tokenizer, save_compact
        from pipeline.training import Recipe, train

        assert context.source is not None
        model, tokenizer = read(context.source), read_tokenizer(context.source)
        figures = self._prune(model, tokenizer, context)  # the same each time, so an interrupted training fits it
        recipe = Recipe(
            epochs=self.epochs, learning_rate=self.learning_rate, batch_size=self.batch_size, weight_decay=self.weight_decay,
            warmup_ratio=self.warmup_ratio, label_smoothing=self.label_smoothing, bfloat16=self.bfloat16,
            freeze_embeddings=self.freeze_embeddings, max_length=context.backbone.max_length, seed=context.seed,
        )  # fmt: skip
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
