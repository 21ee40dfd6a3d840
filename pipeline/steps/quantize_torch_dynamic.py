"""`quantize_torch_dynamic`: int8 linear layers for a torch classifier on a CPU, without training.

Weights are quantized once, activations while the network runs ("dynamic"). Embeddings and all else stay in fp32.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from pipeline.config import Step, kind
from pipeline.errors import OptimizationError
from pipeline.models.outline import Outline
from pipeline.steps.base import Context, versions
from pipeline.steps.shared.agreement import check_agreement
from pipeline.system.cpu import int8_instructions, int8_support, warn_if_slow
from pipeline.tasks.inputs import inputs_of


@kind("step", "quantize_torch_dynamic")
@dataclass(frozen=True)
class QuantizeTorchDynamic(Step):
    """Settings of `conf/step/quantize_torch_dynamic.yaml`."""

    per_channel: bool = True

    code_version: ClassVar[int] = 4
    takes: ClassVar[tuple[str, ...]] = ("torch",)
    gives: ClassVar[str] = "torch_int8"
    learns: ClassVar[bool] = False

    def inputs(self, context: Context) -> dict[str, Any]:
        """Versions, and the data, on which the metric depends."""
        return {"data": context.splits.content_hash, "versions": versions("torch", "transformers", "tokenizers")}

    def check(self, context: Context, source: Outline | None, needed: Mapping[str, Outline]) -> Outline | None:
        """Raises OptimizationError when this build of torch can't multiply in int8."""
        from pipeline.runtimes import torch_int8

        try:
            torch_int8.choose_engine()
        except ValueError as error:
            raise self._refused(error) from error
        return source

    def _refused(self, error: ValueError) -> OptimizationError:
        return OptimizationError(f"{self.kind}: {error}; use export_onnx and quantize_onnx_dynamic instead")

    def make(self, context: Context, artifact: Path, scratch: Path) -> dict[str, Any]:
        """Quantize; metric: the share of validation texts whose prediction stays the same."""
        from pipeline.runtimes import torch_int8
        from pipeline.runtimes.base import Description
        from pipeline.runtimes.torch import read, read_tokenizer

        assert context.source is not None
        warn_if_slow(int8_support())
        model = read(context.source)
        try:
            torch_int8.quantize(model, self.per_channel)
        except ValueError as error:
            raise self._refused(error) from error
        described = Description.read(context.source)
        description = replace(described, runtime="torch_int8", batched=False, int8_for=int8_instructions())
        torch_int8.save(model, read_tokenizer(context.source), description, artifact, context.tokenizer_texts)
        advice = "compare the accuracies before you use it" if self.per_channel else "try per_channel=true"
        return {"metrics": check_agreement(context.source, artifact, inputs_of(context.splits.validation), advice)}
