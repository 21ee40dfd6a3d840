"""What the transformers Trainer writes into its log: curves, and how much better the epoch looks that was kept."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from transformers import EvalPrediction

from pipeline.runtimes.crossfit import selection_optimism
from pipeline.tasks import SINGLE_LABEL, TASKS, Task
from pipeline.tasks.base import same

PARTS = "eval_parts"  # key of an entry in the log, see `judged`
SHOWN = {"loss", "accuracy", *(task.best_by for task in TASKS.values())}  # metrics of an epoch


def judged(outcome: EvalPrediction, task: Task = SINGLE_LABEL) -> dict[str, Any]:
    """Accuracy, the metric that chooses the epoch, and what each text adds to that: in hexadecimal, for the log."""
    logits = outcome.predictions[0] if isinstance(outcome.predictions, tuple) else outcome.predictions
    answers = task.answer(logits)
    truth = outcome.label_ids.astype(answers.dtype)
    parts = task.parts_of(answers, truth)
    found = {"accuracy": float(np.mean(same(answers, truth))), task.best_by: float(task.score_of(parts.mean(axis=0)))}
    return found | {"parts": parts.tobytes().hex()}


def curves(history: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
    """The Trainer's log as one dict an epoch."""
    epochs: dict[int, dict[str, float]] = {}
    for entry in history:
        number = round(entry.get("epoch", 0))
        for key, value in entry.items():
            section, _, name = key.partition("_")
            known = "train_loss" if key == "loss" else f"validation_{name}" if section == "eval" and name in SHOWN else ""
            if known:
                epochs.setdefault(number, {"epoch": number})[known] = float(value)
    return [epochs[number] for number in sorted(epochs)]


def selection_optimism_pp(history: Sequence[Mapping[str, Any]], truth: np.ndarray, task: Task = SINGLE_LABEL) -> float:
    """How many percentage points the best epoch looks better on the texts that chose it than on others.

    history: the Trainer's log; truth: an array of the task, in the order in which the texts were evaluated.
    """
    logged = [np.frombuffer(bytes.fromhex(entry[PARTS]), np.uint8) for entry in history if PARTS in entry]
    return 100 * selection_optimism(np.stack(logged).reshape(len(logged), len(truth), -1), truth, task.score_of)
