"""`quantize_onnx_dynamic`: int8 weights, including embeddings, for an ONNX classifier.

Activations are quantized while the network runs ("dynamic"), so it needs neither training nor data.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from pipeline.config import Step, kind, setting
from pipeline.models.outline import Outline
from pipeline.runtimes.base import BATCH_SIZE, Description
from pipeline.runtimes.onnx_folder import INT8, graph_of, place_for, write_beside
from pipeline.runtimes.onnx_graph import require_fuse
from pipeline.steps.base import Context, versions
from pipeline.steps.shared.agreement import batch_agreement, check_agreement
from pipeline.system.cpu import REDUCE_RANGE, int8_instructions, int8_support, needs_reduced_range, warn_if_slow
from pipeline.tasks.inputs import inputs_of


@kind("step", "quantize_onnx_dynamic")
@dataclass(frozen=True)
class QuantizeOnnxDynamic(Step):
    """Settings of `conf/step/quantize_onnx_dynamic.yaml`."""

    per_channel: bool = True
    reduce_range: str = setting("auto", choices=REDUCE_RANGE)
    embedding_bits: int = setting(8, choices=(4, 8))
    batched: bool = False

    code_version: ClassVar[int] = 5
    takes: ClassVar[tuple[str, ...]] = ("onnx",)
    gives: ClassVar[str] = "onnx_int8"
    learns: ClassVar[bool] = False

    def inputs(self, context: Context) -> dict[str, Any]:
        """Versions, what "auto" means on this processor, and the data, on which the metric depends."""
        return {
            "data": context.splits.content_hash,
            "reduce_range": needs_reduced_range(self.reduce_range),
            "versions": versions("onnx", "onnxruntime", "tokenizers"),
        }

    def check(self, context: Context, source: Outline | None, needed: Mapping[str, Outline]) -> Outline | None:
        """Raises OptimizationError when too much of the graph is fused."""
        if source is not None and self.embedding_bits == 4:
            require_fuse(source.fuse, "layers", "quantize_onnx_dynamic: embedding_bits=4")
        return source

    def make(self, context: Context, artifact: Path, scratch: Path) -> dict[str, Any]:
        """Quantize; metric: the share of validation texts whose prediction stays the same.

        Batched, also the share of them that get the same prediction alone.
        """
        from pipeline.runtimes.onnx_dynamic import quantize
        from pipeline.runtimes.onnx_weight_only import EMBEDDINGS, quantize_to_4_bits

        assert context.source is not None
        warn_if_slow(int8_support())
        graph = graph_of(context.source)
        if self.embedding_bits == 4:
            quantize_to_4_bits(graph, scratch / "embeddings.onnx", EMBEDDINGS)
            graph = scratch / "embeddings.onnx"
        reduced = needs_reduced_range(self.reduce_range)
        quantize(graph, place_for(artifact, INT8), self.per_channel, reduced, scratch, self.batched)
        size, bits = BATCH_SIZE if self.batched else 1, 7 if reduced else 8
        described = replace(Description.read(context.source), batched=False, batch_size=size)
        write_beside(context.source, artifact, replace(described, int8_for=int8_instructions(), int8_bits=bits))
        texts = inputs_of(context.splits.validation)
        metrics = check_agreement(context.source, artifact, texts, self._advice())
        return {"metrics": metrics | (batch_agreement(artifact, texts) if self.batched else {})}

    def _advice(self) -> str:
        if not self.per_channel:
            return "try per_channel=true"
        if needs_reduced_range(self.reduce_range) and not int8_support().reduce_range:
            return "try reduce_range=auto: this processor needs no reduced range"
        if not needs_reduced_range(self.reduce_range) and int8_support().reduce_range:
            return "try reduce_range=auto: this processor needs a reduced range"
        return "compare the accuracies before you use it"
