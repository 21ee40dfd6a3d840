"""Do two classifiers predict the same? What the steps that quantize check their result with."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.classifiers.base import load

BATCH_SIZE = 32  # texts


def agreement(source: Path, target: Path, texts: Sequence[str]) -> float:
    """Share of the texts for which the classifiers in two artifact directories predict the same label: 0 to 1."""
    ordered = sorted(texts, key=len)  # batches of like length
    return float(np.mean(_predictions(source, ordered) == _predictions(target, ordered)))


def _predictions(artifact: Path, texts: list[str]) -> np.ndarray:
    import torch

    classifier = load(artifact, torch.get_num_threads())
    batches = (texts[i : i + BATCH_SIZE] for i in range(0, len(texts), BATCH_SIZE))
    return np.concatenate([classifier.logits(batch).argmax(axis=1) for batch in batches])
