"""The logits of a classifier on the train split, computed once and kept as a stage: what a student is distilled from.

No file in `conf/step/` names this step: `distill` adds it behind its teacher's.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pipeline.classifiers.base import DESCRIPTION
from pipeline.config import Step
from pipeline.steps.base import Context, versions
from pipeline.steps.inference import logits_of

FILE = "train.npy"
BATCH = 64  # texts


@dataclass(frozen=True)
class Logits(Step):
    """Takes any classifier; writes `train.npy`: float32 (texts of the train split, labels)."""

    kind: str = "logits"

    code_version: ClassVar[int] = 1
    takes: ClassVar[tuple[str, ...]] = ("torch", "torch_int8", "onnx", "onnx_int8")
    gives: ClassVar[str] = "logits"

    def inputs(self, context: Context) -> dict[str, Any]:
        """The texts, in order."""
        return {
            "data": context.splits.content_hash,
            "versions": versions("torch", "transformers", "tokenizers", "onnxruntime"),
        }

    def make(self, context: Context, artifact: Path, scratch: Path) -> dict[str, Any]:
        """Compute them, in batches of like length."""
        assert context.source is not None
        texts = list(context.splits.train["text"])
        np.save(artifact / FILE, logits_of(context.source, texts, "teacher logits", BATCH), allow_pickle=False)
        described = json.loads((context.source / DESCRIPTION).read_text(encoding="utf-8"))
        return {"runtime": described["runtime"], "texts": len(texts)}
