"""What the transformers Trainer writes into its log: curves, and how much better the epoch looks that was kept."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from transformers import EvalPrediction

from pipeline.runtimes.crossfit import selection_optimism
from pipeline.tasks.single_label import answer

RIGHT = "eval_right"  # key of an entry in the log, see `accuracy`


def answers(logits: Any, labels: Any) -> Any:
    """The answers of a batch, int64 (batch,): of a large split the Trainer keeps these, not all logits.

    logits: a tensor (batch, labels), or a tuple that begins with it. labels: not used.
    """
    return answer(logits[0] if isinstance(logits, tuple) else logits)


def accuracy(outcome: EvalPrediction) -> dict[str, Any]:
    """Accuracy, and which answers are right: one bit a text, in hexadecimal, which the Trainer keeps in its log.

    The predictions are those of `answers`.
    """
    right = outcome.predictions == outcome.label_ids
    return {"accuracy": float(np.mean(right)), "right": np.packbits(right).tobytes().hex()}


def curves(history: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
    """The Trainer's log as one dict an epoch."""
    epochs: dict[int, dict[str, float]] = {}
    names = {"loss": "train_loss", "eval_loss": "validation_loss", "eval_accuracy": "validation_accuracy"}
    for entry in history:
        number = round(entry.get("epoch", 0))
        for key, name in names.items():
            if key in entry:
                epochs.setdefault(number, {"epoch": number})[name] = float(entry[key])
    return [epochs[number] for number in sorted(epochs)]


def selection_optimism_pp(history: Sequence[Mapping[str, Any]], truth: np.ndarray) -> float:
    """How many percentage points the best epoch looks better on the texts that chose it than on others.

    history: the Trainer's log; truth: int64 (n,), in the order in which they were evaluated.
    """
    packed = b"".join(bytes.fromhex(entry[RIGHT]) for entry in history if RIGHT in entry)
    bits = np.frombuffer(packed, np.uint8).reshape(-1, (len(truth) + 7) // 8)
    return 100 * selection_optimism(np.unpackbits(bits, axis=1, count=len(truth)).astype(bool), truth)
