"""Runtime "static": the mean of a text's word-piece vectors, then a small network. It needs NumPy and a tokenizer.

A vector does not depend on the surrounding words ("static", as in word2vec and model2vec), so the order of the words has no
effect. Each vector is stored as int8 values and one scale. Of a pair of texts with the means u and v, the network gets
[u, v, |u - v|, u * v] (Mou et al. 2016, *Natural language inference by tree-based convolution and heuristic matching*).
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
        """Logits of token ids, their mask and, of pairs, their sides, int64 (batch, length): float32 (batch, labels)."""
        ids, mask, *sides = encoded
        vectors = self._vectors[ids].astype(np.float32)
        if sides:
            first, second = (self._mean(vectors, ids, sides[0] == side) for side in (1, 2))
            pooled = np.concatenate([first, second, np.abs(first - second), first * second], axis=1)
        else:
            pooled = self._mean(vectors, ids, mask)
        hidden = np.maximum(pooled @ self._inner[0].T + self._inner[1], 0)
        logits: np.ndarray = hidden @ self._outer[0].T + self._outer[1]
        return logits

    def _mean(self, vectors: np.ndarray, ids: np.ndarray, counted: np.ndarray) -> np.ndarray:
        """The mean of the vectors of the tokens that are `counted`, (batch, length) of 0 and 1; 0 where none is."""
        shares = counted * self._scales[ids] / np.maximum(counted.sum(axis=1, keepdims=True), 1)
        mean: np.ndarray = (shares[:, None, :].astype(np.float32) @ vectors)[:, 0]
        return mean


def quantized(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """float32 (n, width) -> int8 (n, width) and float32 (n,): the largest absolute value of a row is 127 times its scale."""
    scales = np.abs(vectors).max(axis=1) / 127
    return np.rint(vectors / np.maximum(scales, 1e-12)[:, None]).astype(np.int8), scales.astype(np.float32)


class StaticRuntime(Runtime):
    """See `pipeline.runtimes.base.Runtime`."""

    name = "static"
    requires = ("numpy", "tokenizers", "safetensors")
    weights = (WEIGHTS,)
    no_profile_reason = "It runs a few NumPy operations, and NumPy has no profiler."

    def open(self, artifact: Path, description: Description, threads: int) -> StaticClassifier:
        """Load it. Raises OSError when a file is missing, ValueError when one is damaged or of another kind."""
        return checked_open(artifact, (WEIGHTS, TOKENIZER), lambda: StaticClassifier(artifact, description, threads))


RUNTIME = StaticRuntime()
