"""Texts become tokens, and the network makes logits of these."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.deployment.handler.onnx import network
from pipeline.deployment.handler.tokenizer import tokenizer_of


def classifier(folder: Path, told: dict[str, Any], threads: int) -> Callable[..., Any]:
    """What makes logits, float (texts, labels), of texts; longer ones are cut."""
    tokenizer, forward = tokenizer_of(folder, told), network(folder, threads)
    names = ["ids", "attention_mask", *{"types": ["type_ids"], "sides": ["sequence_ids"]}.get(told["token_types"], [])]

    def logits(texts: list[Any]) -> Any:
        found = tokenizer.encode_batch(texts)
        kinds = [object if name == "sequence_ids" else np.int64 for name in names]  # sides are None for special tokens
        parts = [[getattr(each, name) for each in found] for name in names]
        return forward(*(np.array(part, dtype=kind) for part, kind in zip(parts, kinds, strict=True)))

    return logits
