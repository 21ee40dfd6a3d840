"""What the transformers Trainer writes into its log, as curves."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.config.backbone import BEST_BY

SHOWN = {"loss": "train_loss"} | {f"eval_{name}": f"validation_{name}" for name in BEST_BY}  # entries of the log


def curves(history: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
    """The Trainer's log as one dict an epoch."""
    epochs: dict[int, dict[str, float]] = {}
    for entry in history:
        number = round(entry.get("epoch", 0))
        for key, name in SHOWN.items():
            if key in entry:
                epochs.setdefault(number, {"epoch": number})[name] = float(entry[key])
    return [epochs[number] for number in sorted(epochs)]
