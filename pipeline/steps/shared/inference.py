"""Logits of a whole split: what steps look at that check or use a classifier."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.runtimes.base import load
from pipeline.system.progress import bar

BATCH = 32  # texts


def logits_of(artifact: Path, texts: Sequence[str], activity: str, batch: int = BATCH) -> np.ndarray:
    """Logits of the classifier in an artifact directory, with all of torch's threads: float32 (len(texts), n_labels).

    The progress bar shows `activity`. The last digits of logits depend on the batch size.
    """
    import torch

    classifier = load(artifact, torch.get_num_threads())
    with bar(activity, "text", len(texts)) as progress:
        return classifier.logits_by_length(texts, batch, progress.update)
