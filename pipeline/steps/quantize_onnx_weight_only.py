"""`quantize_onnx_weight_only`: stores an ONNX classifier's weights and embeddings in 4 bits; activations stay in fp32.

The work on the graph is in `pipeline/runtimes/onnx_weight_only.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pipeline.config import Step, kind, setting
from pipeline.models.outline import Outline
from pipeline.runtimes.base import Description
from pipeline.runtimes.onnx_folder import BITS_4, graph_of, place_for, write_beside
from pipeline.runtimes.onnx_graph import require_fuse
from pipeline.steps.base import Context, versions
from pipeline.steps.shared.agreement import check_agreement
from pipeline.tasks.inputs import inputs_of


@kind("step", "quantize_onnx_weight_only")
@dataclass(frozen=True)
class QuantizeOnnxWeightOnly(Step):
    """Settings of `conf/step/quantize_onnx_weight_only.yaml`."""

    block: int = setting(32, choices=(16, 32, 64, 128, 256))

    code_version: ClassVar[int] = 2
    takes: ClassVar[tuple[str, ...]] = ("onnx",)
    gives: ClassVar[str] = "onnx_4bit"
    learns: ClassVar[bool] = False

    def inputs(self, context: Context) -> dict[str, Any]:
        """Versions, and the data, on which the metric depends."""
        return {"data": context.splits.content_hash, "versions": versions("onnx", "onnxruntime", "onnx-ir", "tokenizers")}

    def check(self, context: Context, source: Outline | None, needed: Mapping[str, Outline]) -> Outline | None:
        """Raises OptimizationError when too much of the graph is fused."""
        if source is not None:
            require_fuse(source.fuse, "parts", "quantize_onnx_weight_only")
        return source

    def make(self, context: Context, artifact: Path, scratch: Path) -> dict[str, Any]:
        """Quantize; metric: the share of validation texts whose prediction stays the same; notes: "made", by operator."""
        from pipeline.runtimes.onnx_weight_only import PRODUCTS, quantize_to_4_bits

        assert context.source is not None
        made = quantize_to_4_bits(graph_of(context.source), place_for(artifact, BITS_4), PRODUCTS, self.block)
        write_beside(context.source, artifact, Description.read(context.source))
        return {
            "metrics": check_agreement(
                context.source, artifact, inputs_of(context.splits.validation), "try a smaller block"
            ),
            "made": made,
        }
