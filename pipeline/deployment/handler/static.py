"""The mean of the vectors of tokens, then a small network."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file


def network(folder: Path, threads: int) -> Callable[..., Any]:
    """What makes logits of token ids, mask and, of pairs, which text each token is of."""
    stored = load_file(folder / "static.safetensors")

    def mean(ids: np.ndarray, counted: np.ndarray) -> np.ndarray:
        share = counted * stored["scales"][ids] / np.maximum(counted.sum(axis=1, keepdims=True), 1)
        found: np.ndarray = (share[:, None].astype(np.float32) @ stored["vectors"][ids].astype(np.float32))[:, 0]
        return found

    def forward(ids: np.ndarray, mask: np.ndarray, *sides: np.ndarray) -> np.ndarray:
        u, *v = (mean(ids, sides[0] == side) for side in (0, 1)) if sides else (mean(ids, mask),)
        pooled = np.concatenate([u, v[0], np.abs(u - v[0]), u * v[0]], axis=1) if v else u
        hidden = np.maximum(pooled @ stored["inner.weight"].T + stored["inner.bias"], 0)
        logits: np.ndarray = hidden @ stored["outer.weight"].T + stored["outer.bias"]
        return logits

    return forward
