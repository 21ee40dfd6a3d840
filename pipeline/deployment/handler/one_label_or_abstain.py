"""The most probable label, or that a text is out of scope."""

from typing import Any

import numpy as np


def answers(logits: np.ndarray, told: dict[str, Any]) -> list[dict[str, Any]]:
    """The in-scope label with the largest logit, or the out-of-scope label, and its score."""
    rule, oos, inside = told["decision"], told["oos"], logits.astype(np.float64)
    temperature, outside = rule["temperature"], inside[:, oos].copy()
    inside[:, oos] = -np.inf
    top, above = inside.max(axis=1), inside - inside.max(axis=1, keepdims=True)
    mass, energy = np.exp(above / temperature).sum(axis=1), top + np.log(np.exp(above).sum(axis=1))
    second = np.partition(inside, -2, axis=1)[:, -2] if inside.shape[1] > 2 else 0.0
    ratings = {"max_probability": 1 / mass, "margin": top - second, "bias": top - outside, "energy": energy}
    rating = (ratings | {"odds": energy - rule["weight"] * outside})[rule["oos_score"]]
    abstained, best = rating < rule["threshold"], 1 / (mass + np.exp((outside - top) / temperature))
    labels, scores = np.where(abstained, oos, inside.argmax(axis=1)), np.where(abstained, 1 - best, best)
    found = zip(labels.tolist(), scores.tolist(), strict=True)
    return [{"label": told["labels"][label], "score": score, "abstained": label == oos} for label, score in found]
