"""`export_openvino`: exports a torch classifier to OpenVINO and compares it with torch, as `export_onnx` does."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from pipeline.config import Step, kind, setting
from pipeline.errors import OptimizationError
from pipeline.models.outline import Outline
from pipeline.models.token_types import TYPES
from pipeline.runtimes.base import TOKENIZER, Description, load
from pipeline.runtimes.onnx_graph import require_onnx_size
from pipeline.runtimes.openvino import MISSING, MODEL, PRECISIONS, SETTINGS, library
from pipeline.steps.base import Context, versions
from pipeline.steps.shared.agreement import check_agreement
from pipeline.steps.shared.export_check import compare_with_torch
from pipeline.steps.shared.trial import try_export
from pipeline.system.cpu import has_bfloat16
from pipeline.tasks.inputs import inputs_of


@kind("step", "export_openvino")
@dataclass(frozen=True)
class ExportOpenvino(Step):
    """Settings of `conf/step/export_openvino.yaml`."""

    precision: str = setting("f32", choices=PRECISIONS)

    code_version: ClassVar[int] = 4
    takes: ClassVar[tuple[str, ...]] = ("torch",)
    gives: ClassVar[str] = "openvino"
    learns: ClassVar[bool] = False

    def inputs(self, context: Context) -> dict[str, Any]:
        """Versions and data. Raises OptimizationError without the extra, or without bfloat16 instructions for bf16."""
        require_openvino("openvino")
        if self.precision == "bf16" and not has_bfloat16():
            raise OptimizationError("export_openvino: this processor has no bfloat16 instructions; set precision=f32")
        packages = versions("torch", "transformers", "tokenizers", "onnx", "openvino")
        return {"data": context.splits.content_hash, "versions": packages}

    def check(self, context: Context, source: Outline | None, needed: Mapping[str, Outline]) -> Outline | None:
        """Raises OptimizationError when the network can't be an ONNX file, through which it goes."""
        if source is not None and source.network is not None:
            require_onnx_size(source.network)
            try_export(source.network, self.kind, context.backbone.max_length)
        return source

    def make(self, context: Context, artifact: Path, scratch: Path) -> dict[str, Any]:
        """Export, convert, compare; metric: the largest difference of a logit; in bf16 the agreement of predictions."""
        import torch

        from pipeline.runtimes.onnx_graph import export
        from pipeline.runtimes.torch import read

        assert context.source is not None
        model, threads = read(context.source), torch.get_num_threads()
        described = Description.read(context.source)
        export(model, scratch / "exported.onnx", described.token_types == TYPES)
        openvino = library()
        converted = openvino.convert_model(str(scratch / "exported.onnx"))
        openvino.save_model(converted, str(artifact / MODEL), compress_to_fp16=False)
        shutil.copy(context.source / TOKENIZER, artifact)
        (artifact / SETTINGS).write_text(json.dumps({"precision": self.precision}) + "\n", encoding="utf-8")
        replace(described, runtime="openvino").write(artifact)
        if self.precision != "f32":
            texts = inputs_of(context.splits.validation)
            return {"metrics": check_agreement(context.source, artifact, texts, "set precision=f32")}
        exported, advice = load(artifact, threads, windows=False), f"use export_onnx instead of {self.kind}"
        return {"metrics": compare_with_torch(model, exported, context, advice)}


def require_openvino(*packages: str) -> None:
    """Raises OptimizationError when one of the packages is not installed."""
    from importlib.util import find_spec

    if any(find_spec(package) is None for package in packages):
        raise OptimizationError(MISSING)
