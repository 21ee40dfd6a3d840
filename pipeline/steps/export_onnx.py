"""`export_onnx`: exports a torch classifier to an ONNX graph, fuses it for ONNX Runtime, and compares it with torch.

The work on the graph is in `pipeline/runtimes/onnx_graph.py`. Where a fused graph computes something else than
torch, less of it is fused.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from pipeline.config import Step, kind, setting
from pipeline.errors import OptimizationError
from pipeline.models.architectures import architecture_of
from pipeline.models.outline import Outline
from pipeline.models.token_types import TYPES
from pipeline.runtimes.base import Description, load
from pipeline.runtimes.onnx_folder import FP32, place_for, write_beside
from pipeline.runtimes.onnx_graph import FUSED, require_onnx_size
from pipeline.steps.base import Context, versions
from pipeline.steps.shared.export_check import compare_with_torch
from pipeline.steps.shared.trial import try_export

log = logging.getLogger(__name__)
NONE = FUSED[-1]
LESS = "less is fused now"


@kind("step", "export_onnx")
@dataclass(frozen=True)
class ExportOnnx(Step):
    """Settings of `conf/step/export_onnx.yaml`."""

    fuse: str = setting("all", choices=FUSED)

    code_version: ClassVar[int] = 7
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
        return replace(source, fuse=self.fuse if fusion_of(source.network.config) else NONE)

    def make(self, context: Context, artifact: Path, scratch: Path) -> dict[str, Any]:
        """Export, fuse, compare; notes: "fuse", how much is fused, and "fused", how many of each operator.

        Metric: the largest difference of a logit. Raises OptimizationError where even the graph of which nothing is fused
        differs from torch.
        """
        from pipeline.runtimes.onnx_graph import export
        from pipeline.runtimes.torch import read

        assert context.source is not None
        model, exported = read(context.source), scratch / "exported.onnx"
        export(model, exported, Description.read(context.source).token_types == TYPES)
        family = fusion_of(model.config)
        tried = FUSED[FUSED.index(self.fuse) :] if family else (NONE,)
        for how in tried:
            try:
                fused, metrics = self._fused(model, exported, how, family or "", context, artifact)
            except OptimizationError as error:
                if how == NONE:
                    raise
                log.warning("warning: fuse=%s: %s", how, error.args[0])
            else:
                break
        counts = ", ".join(f"{count} {name}" for name, count in fused.items()) or "nothing"
        log.info("fused for ONNX Runtime (fuse=%s): %s", how, counts)
        return {"fuse": how, "fused": fused, "metrics": metrics}

    def _fused(
        self, model: Any, exported: Path, how: str, family: str, context: Context, artifact: Path
    ) -> tuple[dict[str, int], dict[str, float]]:
        """Write the artifact with this much fused: what is fused, and how it compares. Raises OptimizationError."""
        import torch

        from pipeline.runtimes.onnx_graph import fuse

        assert context.source is not None
        described = Description.read(context.source)
        fused = fuse(exported, place_for(artifact, FP32), described.max_length, how, family)
        write_beside(context.source, artifact, replace(described, runtime="onnx"))
        advice = LESS if how != NONE else f"use export_openvino or compile instead of {self.kind}"
        try:
            classifier = load(artifact, torch.get_num_threads(), windows=False)
        except ValueError as error:
            raise OptimizationError(f"ONNX Runtime can't load the graph ({error}); {advice}") from error
        return fused, compare_with_torch(model, classifier, context, advice)


def fusion_of(config: Any) -> str | None:
    """What ONNX Runtime's optimizer calls an architecture; None: it can't fuse it."""
    architecture = architecture_of(config)
    return None if architecture is None else architecture.fusion
