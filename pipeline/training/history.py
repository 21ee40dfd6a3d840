"""What the transformers Trainer writes into its log: which answers are right, and the curves."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from transformers import EvalPrediction

from pipeline.config.backbone import BEST_BY
from pipeline.tasks.single_label import answer

RIGHT = "eval_right"  # key of an entry in the log, see `accuracy`


def accuracy(outcome: EvalPrediction) -> dict[str, Any]:
    """Accuracy, and which answers are right: one bit a text, in hexadecimal, which the Trainer keeps in its log."""
    right = answer(logits_of(outcome)) == outcome.label_ids
    return {"accuracy": float(np.mean(right)), "right": np.packbits(right).tobytes().hex()}


def logits_of(outcome: EvalPrediction) -> np.ndarray:
    """The logits of an evaluation: float (n, labels)."""
    logits: np.ndarray = outcome.predictions[0] if isinstance(outcome.predictions, tuple) else outcome.predictions
    return logits


def curves(history: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
    """The Trainer's log as one dict an epoch."""
    epochs: dict[int, dict[str, float]] = {}
    names = {"loss": "train_loss"} | {f"eval_{name}": f"validation_{name}" for name in BEST_BY}
    for entry in history:
        number = round(entry.get("epoch", 0))
        for key, name in names.items():
            if key in entry:
                epochs.setdefault(number, {"epoch": number})[name] = float(entry[key])
    return [epochs[number] for number in sorted(epochs)]
