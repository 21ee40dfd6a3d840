"""`quantize_dynamic`: the linear layers of a torch classifier multiply in int8, on the processor, without any training.

Weights are quantized once, activations as they come ("dynamic"). Embeddings and everything else stay in fp32.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pipeline.config import Step, kind
from pipeline.errors import OptimizationError
from pipeline.steps.base import Context, versions

log = logging.getLogger(__name__)
ENOUGH = 0.98  # of the predictions should stay as they are
BATCH_SIZE = 32  # texts


@kind("step", "quantize_dynamic")
@dataclass(frozen=True)
class QuantizeDynamic(Step):
    """Settings of `conf/step/quantize_dynamic.yaml`."""

    per_channel: bool = True

    code_version: ClassVar[int] = 1
    takes: ClassVar[tuple[str, ...]] = ("torch",)
    gives: ClassVar[str] = "torch_int8"

    def inputs(self, context: Context) -> dict[str, Any]:
        """Versions; the data only for what the notes say of it."""
        return {"data": context.splits.content_hash, "versions": versions("torch", "transformers", "tokenizers")}

    def make(self, context: Context, artifact: Path, scratch: Path) -> dict[str, Any]:
        """Quantize; figure: the share of validation texts on which the prediction stays as it was."""
        from pipeline.classifiers import torch_int8
        from pipeline.classifiers.base import Description
        from pipeline.classifiers.torch import read, read_tokenizer

        assert context.source is not None
        model = read(context.source)
        try:
            torch_int8.quantize(model, self.per_channel)
        except ValueError as error:
            raise OptimizationError(f"quantize_dynamic: {error}; use export_onnx and quantize_onnx instead") from error
        description = replace(Description.read(context.source), runtime="torch_int8")
        torch_int8.save(model, read_tokenizer(context.source), description, artifact)
        agreement = _agreement(context.source, artifact, context.splits.validation["text"])
        if agreement < ENOUGH:
            advice = "compare the accuracies before it is used" if self.per_channel else "try per_channel=true"
            log.warning(
                "warning: only %.1f %% of the predictions on validation stay the same in int8; %s", 100 * agreement, advice
            )
        return {"figures": {"quantize/agreement": agreement}}


def _agreement(source: Path, target: Path, texts: Sequence[str]) -> float:
    ordered = sorted(texts, key=len)
    return float(np.mean(_predicted(source, ordered) == _predicted(target, ordered)))


def _predicted(artifact: Path, texts: list[str]) -> np.ndarray:
    import torch

    from pipeline.classifiers.base import load

    classifier = load(artifact, torch.get_num_threads())
    batches = (texts[i : i + BATCH_SIZE] for i in range(0, len(texts), BATCH_SIZE))
    return np.concatenate([classifier.logits(batch).argmax(1) for batch in batches])
