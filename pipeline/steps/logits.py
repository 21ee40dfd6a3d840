"""The logits of a classifier on the train split, computed once and kept as a stage: what a student is distilled from.

No file in `conf/step/` names this step: `distill` adds it behind its teacher's.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pipeline.classifiers.base import DESCRIPTION, load
from pipeline.config import Step
from pipeline.progress import bar
from pipeline.steps.base import Context, versions

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
        import torch

        assert context.source is not None
        texts = list(context.splits.train["text"])
        classifier = load(context.source, torch.get_num_threads())
        result = np.empty((len(texts), len(classifier.labels)), dtype=np.float32)
        by_length = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        with bar("teacher logits", "text", len(texts)) as progress:
            for start in range(0, len(texts), BATCH):
                rows = by_length[start : start + BATCH]
                result[rows] = classifier.logits([texts[i] for i in rows])
                progress.update(len(rows))
        np.save(artifact / FILE, result, allow_pickle=False)
        described = json.loads((context.source / DESCRIPTION).read_text(encoding="utf-8"))
        return {"runtime": described["runtime"], "texts": len(texts)}
