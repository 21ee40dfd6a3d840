"""`quantize_dynamic`: the linear layers of a torch classifier multiply in int8, on the processor, without any training.

Weights are quantized once, activations as they come ("dynamic"). Embeddings and everything else stay in fp32.
"""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from pipeline.config import Step, kind
from pipeline.cpu import int8_support
from pipeline.errors import OptimizationError
from pipeline.steps.agreement import agreement
from pipeline.steps.base import Context, versions

log = logging.getLogger(__name__)
ENOUGH = 0.98  # of the predictions should stay as they are


@kind("step", "quantize_dynamic")
@dataclass(frozen=True)
class QuantizeDynamic(Step):
    """Settings of `conf/step/quantize_dynamic.yaml`."""

    per_channel: bool = True

    code_version: ClassVar[int] = 2
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
        support = int8_support()
        if not support.fast:
            log.warning("warning: int8 makes it smaller but hardly faster on this machine: %s", support.why)
        model = read(context.source)
        try:
            torch_int8.quantize(model, self.per_channel)
        except ValueError as error:
            raise OptimizationError(f"quantize_dynamic: {error}; use export_onnx and quantize_onnx instead") from error
        description = replace(Description.read(context.source), runtime="torch_int8")
        torch_int8.save(model, read_tokenizer(context.source), description, artifact)
        same = agreement(context.source, artifact, context.splits.validation["text"])
        if same < ENOUGH:
            advice = "compare the accuracies before it is used" if self.per_channel else "try per_channel=true"
            log.warning("warning: only %.1f %% of the predictions stay the same in int8; %s", 100 * same, advice)
        return {"figures": {"quantize/agreement": same}}
