"""Logits of a whole split: what steps look at that check or use a classifier."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.runtimes.base import load
from pipeline.system.progress import bar

BATCH = 32  # texts


def logits_of(artifact: Path, texts: Sequence[str], told: str, batch: int = BATCH) -> np.ndarray:
    """Of the classifier in an artifact directory, with all of torch's threads: float32 (len(texts), n_labels).

    A progress bar says `told`. How many texts are in a batch decides the last digits.
    """
    import torch

    classifier = load(artifact, torch.get_num_threads())
    with bar(told, "text", len(texts)) as progress:
        return classifier.logits_by_length(texts, batch, progress.update)
