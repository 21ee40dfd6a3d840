"""`export_openvino`: a torch classifier becomes an OpenVINO network, and is compared with torch as an ONNX one is."""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from pipeline.config import Step, kind, setting
from pipeline.errors import OptimizationError
from pipeline.runtimes.base import TOKENIZER, Description, load
from pipeline.runtimes.openvino import MISSING, MODEL, PRECISIONS, SETTINGS, library
from pipeline.steps.base import Context, versions
from pipeline.steps.export_onnx import TOLERANCE, largest_difference
from pipeline.system.cpu import bfloat16


@kind("step", "export_openvino")
@dataclass(frozen=True)
class ExportOpenvino(Step):
    """Settings of `conf/step/export_openvino.yaml`."""

    precision: str = setting("f32", choices=PRECISIONS)

    code_version: ClassVar[int] = 1
    takes: ClassVar[tuple[str, ...]] = ("torch",)
    gives: ClassVar[str] = "openvino"

    def inputs(self, context: Context) -> dict[str, Any]:
        """Versions; the data only for what the notes say of it. Raises OptimizationError where it can't be done here."""
        require_openvino("openvino")
        if self.precision == "bf16" and not bfloat16():
            raise OptimizationError("export_openvino: this processor does not multiply bfloat16; set precision=f32")
        packages = versions("torch", "transformers", "tokenizers", "onnx", "openvino")
        return {"data": context.splits.content_hash, "versions": packages}

    def make(self, context: Context, artifact: Path, scratch: Path) -> dict[str, Any]:
        """Export, convert, compare; metric: the largest difference of a logit, which in bf16 may be any."""
        import torch

        from pipeline.runtimes.onnx_graph import export
        from pipeline.runtimes.torch import read

        assert context.source is not None
        model, threads = read(context.source), torch.get_num_threads()
        export(model, scratch / "exported.onnx")
        openvino = library()
        converted = openvino.convert_model(str(scratch / "exported.onnx"))
        openvino.save_model(converted, str(artifact / MODEL), compress_to_fp16=False)
        shutil.copy(context.source / TOKENIZER, artifact)
        (artifact / SETTINGS).write_text(json.dumps({"precision": self.precision}) + "\n", encoding="utf-8")
        described, pad_id = Description.read(context.source), model.config.pad_token_id or 0
        replace(described, runtime="openvino", pad_id=pad_id).write(artifact)
        exported = load(artifact, threads)
        tolerance = TOLERANCE if self.precision == "f32" else float("inf")
        return {"metrics": {"export/max_difference": largest_difference(model, exported, context, tolerance)}}


def require_openvino(*packages: str) -> None:
    """Raises OptimizationError where the extra is not installed."""
    from importlib.util import find_spec

    if any(find_spec(package) is None for package in packages):
        raise OptimizationError(MISSING)
