"""`export_onnx`: exports a torch classifier to an ONNX graph, fuses it for ONNX Runtime, and compares it with torch.

The work on the graph is in `pipeline/runtimes/onnx_graph.py`.
"""

import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from pipeline.config import Step, kind, setting
from pipeline.models.outline import Outline
from pipeline.models.token_types import TYPES
from pipeline.runtimes.base import TOKENIZER, Description, load
from pipeline.runtimes.onnx_graph import FUSED, require_onnx_size
from pipeline.steps.base import Context, versions
from pipeline.steps.shared.export_check import compare_with_torch
from pipeline.steps.shared.trial import try_export

log = logging.getLogger(__name__)


@kind("step", "export_onnx")
@dataclass(frozen=True)
class ExportOnnx(Step):
    """Settings of `conf/step/export_onnx.yaml`."""

    fuse: str = setting("all", choices=FUSED)

    code_version: ClassVar[int] = 6
    takes: ClassVar[tuple[str, ...]] = ("torch",)
    gives: ClassVar[str] = "onnx"
    learns: ClassVar[bool] = False

    def inputs(self, context: Context) -> dict[str, Any]:
        """Versions, and the data, on which the metrics in the notes depend."""
        packages = versions("torch", "transformers", "tokenizers", "onnx", "onnxruntime")
        return {"data": context.splits.content_hash, "versions": packages}

    def check(self, context: Context, source: Outline | None, needed: Mapping[str, Outline]) -> Outline | None:
        """Raises OptimizationError when the network is too large for an ONNX file, or has a part that ONNX lacks."""
        if source is None or source.network is None:
            return Outline(fuse=self.fuse)
        require_onnx_size(source.network)
        try_export(source.network, self.kind, context.backbone.max_length)
        return replace(source, fuse=self.fuse)

    def make(self, context: Context, artifact: Path, scratch: Path) -> dict[str, Any]:
        """Export, fuse, compare; notes: "fused", how many of each operator; metric: the largest difference of a logit."""
        import torch

        from pipeline.runtimes.onnx import MODEL, OnnxClassifier
        from pipeline.runtimes.onnx_graph import export, fuse
        from pipeline.runtimes.torch import read

        assert context.source is not None
        model, threads = read(context.source), torch.get_num_threads()
        described = Description.read(context.source)
        export(model, scratch / "exported.onnx", described.token_types == TYPES)
        fused = fuse(scratch / "exported.onnx", artifact / MODEL, described.max_length, self.fuse)
        log.info("fused for ONNX Runtime: %s", ", ".join(f"{count} {name}" for name, count in fused.items()) or "nothing")
        shutil.copy(context.source / TOKENIZER, artifact)
        replace(described, runtime="onnx").write(artifact)
        exported = load(artifact, threads, windows=False)
        assert isinstance(exported, OnnxClassifier)
        less = FUSED[FUSED.index(self.fuse) + 1 :]
        advice = f"set fuse={less[0]} in {self.kind}" if less else f"use export_openvino or compile instead of {self.kind}"
        return {"fused": fused, "metrics": compare_with_torch(model, exported, context, advice)}
