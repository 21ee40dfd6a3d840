"""Long texts become windows of tokens, and their logits are joined."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.deployment.handler.onnx import network
from pipeline.deployment.handler.tokenizer import tokenizer_of

MAX_WINDOWS = 64  # of a text


def classifier(folder: Path, told: dict[str, Any], threads: int) -> Callable[..., Any]:
    """What makes logits, float (texts, labels), of texts: those of the windows of a text are joined, mean or max."""
    tokenizer, forward = tokenizer_of(folder, told, told["window_overlap"]), network(folder, threads)
    tokenizer.no_padding()

    def one(text: str) -> Any:
        first = tokenizer.encode(text)
        windows = [first, *first.overflowing][:MAX_WINDOWS]
        inputs = [[np.array([part], dtype=np.int64) for part in (each.ids, each.attention_mask)] for each in windows]
        parts = [forward(*each) for each in inputs]
        return getattr(np.concatenate(parts), told["window"])(axis=0)

    return lambda texts: np.stack([one(text) for text in texts])
