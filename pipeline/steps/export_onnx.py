"""`export_onnx`: exports a torch classifier to an ONNX graph, fuses it for ONNX Runtime, and compares it with torch.

The work on the graph is in `pipeline/runtimes/onnx_graph.py`.
"""

import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pipeline.config import Step, kind, setting
from pipeline.errors import OptimizationError
from pipeline.runtimes.base import TOKENIZER, Classifier, Description, load
from pipeline.runtimes.onnx_graph import FUSED
from pipeline.steps.base import Context, versions
from pipeline.tasks.single_label import TEXT

log = logging.getLogger(__name__)
TOLERANCE = 1e-4  # of a logit
BATCHES = (1, 2, 7)  # texts
MAX_TOKENS = 1024  # in a batch; a batch of one text may have more
TEXTS = 128  # of the validation split


@kind("step", "export_onnx")
@dataclass(frozen=True)
class ExportOnnx(Step):
    """Settings of `conf/step/export_onnx.yaml`."""

    fuse: str = setting("all", choices=FUSED)

    code_version: ClassVar[int] = 3
    takes: ClassVar[tuple[str, ...]] = ("torch",)
    gives: ClassVar[str] = "onnx"

    def inputs(self, context: Context) -> dict[str, Any]:
        """Versions, and the data, on which the metrics in the notes depend."""
        packages = versions("torch", "transformers", "tokenizers", "onnx", "onnxruntime")
        return {"data": context.splits.content_hash, "versions": packages}

    def make(self, context: Context, artifact: Path, scratch: Path) -> dict[str, Any]:
        """Export, fuse, compare; notes: "fused", how many of each operator; metric: the largest difference of a logit."""
        import torch

        from pipeline.runtimes.onnx import MODEL, OnnxClassifier
        from pipeline.runtimes.onnx_graph import export, fuse
        from pipeline.runtimes.torch import read

        assert context.source is not None
        model, threads = read(context.source), torch.get_num_threads()
        export(model, scratch / "exported.onnx")
        described = Description.read(context.source)
        fused = fuse(scratch / "exported.onnx", artifact / MODEL, described.max_length, self.fuse)
        log.info("fused for ONNX Runtime: %s", ", ".join(f"{count} {name}" for name, count in fused.items()) or "nothing")
        shutil.copy(context.source / TOKENIZER, artifact)
        replace(described, runtime="onnx").write(artifact)
        exported = load(artifact, threads)
        assert isinstance(exported, OnnxClassifier)
        return {"fused": fused, "metrics": {"export/max_difference": largest_difference(model, exported, context)}}


def largest_difference(model: Any, exported: Classifier, context: Context, tolerance: float = TOLERANCE) -> float:
    """The largest absolute difference of logits between a torch network, the artifact `context.source`, and its export.

    On random tokens and on validation texts. Raises OptimizationError when it is above the tolerance, or NaN.
    """
    import torch

    assert context.source is not None
    source, texts = load(context.source, torch.get_num_threads()), list(context.splits.validation[TEXT])[:TEXTS]
    length, pad_id = Description.read(context.source).max_length, model.config.pad_token_id or 0
    return max(
        compare_on_ids(model, exported, length, pad_id, tolerance), compare_on_texts(source, exported, texts, tolerance)
    )


def compare_on_ids(model: Any, exported: Any, max_length: int, pad_id: int, tolerance: float = TOLERANCE) -> float:
    """Largest absolute difference of logits between a torch network and its export, over many lengths and batch sizes.

    Tokens are random, with a fixed seed; in every batch all texts but the first are padded. Raises OptimizationError when
    the difference is above the tolerance, or NaN.
    """
    import torch

    worst = 0.0
    for ids, mask in _batches(model.config.vocab_size, max_length, pad_id):
        with torch.inference_mode():
            expected = model(input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask)).logits.numpy()
        where = f"a batch of {ids.shape[0]}, {ids.shape[1]} tokens long"
        worst = max(worst, _difference(expected, exported.forward(ids, mask), where, tolerance))
    return worst


def _batches(vocabulary: int, max_length: int, pad_id: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Token ids and masks, int64 (batch, length); lengths are powers of 2, one more than those, and the longest."""
    random = np.random.default_rng(0)
    lengths = {n + more for n in (2**i for i in range(max_length.bit_length())) for more in (0, 1)} | {max_length}
    for length in sorted(n for n in lengths if n <= max_length):
        for batch in (n for n in BATCHES if n == 1 or n * length <= MAX_TOKENS):
            ids = random.integers(0, vocabulary, (batch, length))
            used = random.integers(1, length + 1, (batch, 1))
            used[0] = length
            mask = (np.arange(length) < used).astype(np.int64)
            yield np.where(mask == 1, ids, pad_id), mask


def compare_on_texts(source: Classifier, exported: Classifier, texts: list[str], tolerance: float = TOLERANCE) -> float:
    """Largest absolute difference of logits between two classifiers on real texts, including tokenization.

    Raises OptimizationError when it is above the tolerance, or NaN.
    """
    worst = 0.0
    for start in range(0, len(texts), max(BATCHES)):
        batch = texts[start : start + max(BATCHES)]
        where = f"texts like {batch[0][:40]!r}"
        worst = max(worst, _difference(source.logits(batch), exported.logits(batch), where, tolerance))
    return worst


def _difference(expected: np.ndarray, found: np.ndarray, where: str, tolerance: float) -> float:
    difference = float(np.abs(expected - found).max())
    if not difference <= tolerance:  # so NaN fails too
        raise OptimizationError(
            f"the exported network differs from torch: by {difference:.2g} in a logit for {where}; at most {tolerance:g} is "
            "allowed; remove the step that exports it, or try other versions of the packages that it exports with"
        )
    return difference
