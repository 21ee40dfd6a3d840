"""The most probable label."""

from typing import Any

import numpy as np


def answers(logits: np.ndarray, told: dict[str, Any]) -> list[dict[str, Any]]:
    """The label with the largest logit, and its probability."""
    temperature, wide = (told["decision"] or {}).get("temperature", 1.0), logits.astype(np.float64)
    labels, scores = logits.argmax(axis=1), 1 / np.exp((wide - wide.max(axis=1, keepdims=True)) / temperature).sum(axis=1)
    found = zip(labels.tolist(), scores.tolist(), strict=True)
    return [{"label": told["labels"][label], "score": score, "abstained": label == told["oos"]} for label, score in found]
