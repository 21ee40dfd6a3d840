"""Runtime "static": the mean of a text's word-piece vectors, then a small network; NumPy and a tokenizer alone.

A vector does not depend on the words around it ("static", as in word2vec and model2vec), so nothing of the order of words is
seen. Vectors are stored as int8 with a scale each.
"""

from pathlib import Path
from typing import Any

import numpy as np

from pipeline.runtimes.base import TOKENIZER, Description, Runtime, TokenizedClassifier, checked_open

WEIGHTS = "static.safetensors"


class StaticClassifier(TokenizedClassifier):
    """Inference with NumPy."""

    def __init__(self, artifact: Path, description: Description, threads: int) -> None:
        from safetensors.numpy import load_file

        super().__init__(artifact, description, threads)
        stored = load_file(artifact / WEIGHTS)
        self._vectors, self._scales = stored["vectors"], stored["scales"]
        self._inner, self._outer = ((stored[f"{name}.weight"], stored[f"{name}.bias"]) for name in ("inner", "outer"))

    def forward(self, *encoded: Any) -> np.ndarray:
        """Logits of token ids and their mask, both int64 (batch, length): float32 (batch, labels)."""
        ids, mask = encoded
        shares = mask * self._scales[ids] / mask.sum(axis=1, keepdims=True)
        pooled = (shares[:, None, :].astype(np.float32) @ self._vectors[ids].astype(np.float32))[:, 0]
        hidden = np.maximum(pooled @ self._inner[0].T + self._inner[1], 0)
        logits: np.ndarray = hidden @ self._outer[0].T + self._outer[1]
        return logits


def quantized(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """float32 (n, width) -> int8 (n, width) and float32 (n,): each row's largest value is 127 times its scale."""
    scales = np.abs(vectors).max(axis=1) / 127
    return np.rint(vectors / np.maximum(scales, 1e-12)[:, None]).astype(np.int8), scales.astype(np.float32)


class StaticRuntime(Runtime):
    """See `pipeline.runtimes.base.Runtime`."""

    name = "static"
    requires = ("numpy", "tokenizers", "safetensors")
    weights = (WEIGHTS,)
    unseen = "It is a few operations of NumPy, which has no profiler of its own."

    def open(self, artifact: Path, description: Description, threads: int) -> StaticClassifier:
        """Load it. Raises OSError when a file is missing, ValueError when one is broken or not of this kind."""
        return checked_open(artifact, (WEIGHTS, TOKENIZER), lambda: StaticClassifier(artifact, description, threads))


RUNTIME = StaticRuntime()
