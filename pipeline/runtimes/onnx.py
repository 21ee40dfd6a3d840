"""Runtime "onnx": a graph in ONNX Runtime, in fp32 or int8, without torch and transformers: small, and loaded fast.

The graph was fused when it was exported. ONNX Runtime's own optimizations still run when it is loaded: they are what joins
the operators of an int8 graph into fast ones.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.runtimes.base import TOKENIZER, Description, Encoder, checked_open

MODEL = "model.onnx"
NORM_FUSION = "SkipLayerNormFusion"  # undoes what `onnx_graph` has split, as one operator is slower than two


class OnnxClassifier:
    """Inference with ONNX Runtime on the CPU; see `pipeline.runtimes.base.Classifier`.

    A graph that takes no mask, as one in int8 has none, can't tell padding from text: it gets the texts one at a time.
    """

    def __init__(self, artifact: Path, description: Description, threads: int) -> None:
        self.labels = description.labels
        self.encode = Encoder(artifact, description.max_length, description.pad_id, threads)
        self._session = session(artifact / MODEL, threads)
        self._masked = len(self._session.get_inputs()) > 1

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        """Logits of a batch: float32 (len(texts), len(labels))."""
        return self.forward(*self.encode(texts))

    def forward(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Logits of token ids and their mask, both int64 (batch, length): float32 (batch, len(labels))."""
        if self._masked:
            logits: np.ndarray = self._session.run(["logits"], {"input_ids": ids, "attention_mask": mask})[0]
            return logits
        rows = [ids] if len(ids) == 1 else [row[None, :count] for row, count in zip(ids, mask.sum(axis=1), strict=True)]
        alone = [self._session.run(["logits"], {"input_ids": row})[0] for row in rows]
        return alone[0] if len(alone) == 1 else np.concatenate(alone)


def session(model: Path, threads: int) -> Any:
    """An ONNX Runtime session whose waiting threads sleep. Raises what ONNX Runtime raises for a broken file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    for pool in ("intra_op", "inter_op"):
        options.add_session_config_entry(f"session.{pool}.allow_spinning", "0")
    return onnxruntime.InferenceSession(
        str(model), options, providers=["CPUExecutionProvider"], disabled_optimizers=[NORM_FUSION]
    )


def packages(artifact: Path) -> tuple[str, ...]:
    """What it needs to be served."""
    return ("numpy", "tokenizers", "onnxruntime")


def open(artifact: Path, description: Description, threads: int) -> OnnxClassifier:
    """Load it. Raises OSError when a file is missing, ValueError when one is broken or not of this kind."""
    return checked_open(artifact, (MODEL, TOKENIZER), lambda: OnnxClassifier(artifact, description, threads))
