"""Weighted counts of words and of parts of words, times a matrix."""

import itertools
import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file


def classifier(folder: Path, told: dict[str, Any], threads: int) -> Callable[..., Any]:
    """What makes logits, float (texts, labels), of texts."""
    names, stored = (
        json.loads((folder / "features.json").read_text(encoding="utf-8")),
        load_file(folder / "linear.safetensors"),
    )
    place, labels = {name: number for number, name in enumerate(names)}, len(told["labels"])

    def weights(text: str) -> np.ndarray:
        words, found = re.findall(r"\w+", text[:50_000].lower()), np.zeros(len(names), dtype=np.float32)
        marked = [f"<{word}>" for word in words]
        parts = [f"#{word[i : i + n]}" for word in marked for n in (2, 3, 4, 5) for i in range(len(word) - n + 1)]
        counts = Counter([*words, *map(" ".join, itertools.pairwise(words)), *parts])
        for name in counts.keys() & place.keys():
            found[place[name]] = (1 + np.log(counts[name])) * stored["idf"][place[name]]
        return found / max(float(np.linalg.norm(found)), 1e-12)

    def one(text: Any) -> np.ndarray:
        sides = [weights(part) for part in ((text,) if isinstance(text, str) else text)]
        features = np.concatenate(sides if len(sides) == 1 else [*sides, np.minimum(*sides)])
        known = np.flatnonzero(features)
        rows = stored["weights"].reshape(-1, labels)[known].astype(np.float32)
        logits: np.ndarray = features[known] @ rows + stored["bias"]
        return logits

    return lambda texts: np.stack([one(text) for text in texts])
