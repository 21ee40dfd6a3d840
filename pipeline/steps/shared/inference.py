"""Logits of a whole split: what steps look at that check or use a classifier."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.runtimes import crossfit
from pipeline.runtimes.base import Description, load
from pipeline.system.progress import bar
from pipeline.tasks.inputs import Input

BATCH = 32  # texts


def logits_of(
    artifact: Path, texts: Sequence[Input], activity: str, batch: int = BATCH, file: Path | None = None
) -> np.ndarray:
    """Logits of the classifier in an artifact directory, with all of torch's threads: float32 (len(texts), n_labels).

    The progress bar shows `activity`. The last digits of logits depend on the batch size. With `file` they are written into
    that .npy file and not kept in memory.
    """
    import torch

    classifier = load(artifact, torch.get_num_threads())
    shape = (len(texts), len(classifier.labels))
    into = None if file is None else np.lib.format.open_memmap(file, "w+", np.float32, shape)
    with bar(activity, "text", len(texts)) as progress:
        return classifier.logits_by_length(texts, batch, progress.update, into)


def crossfitted_logits_of(artifact: Path, texts: Sequence[Input], truth: np.ndarray, activity: str) -> np.ndarray:
    """The same for the validation split, where no text is answered by what was fitted on it (see `runtimes.crossfit`).

    truth: int64 (n,).
    """
    import torch

    classifier, description = load(artifact, torch.get_num_threads()), Description.read(artifact)
    parts, found = crossfit.texts_by_fold(description, texts, truth), {}
    with bar(activity, "text", len(texts)) as progress:
        for fold, some in parts.items():
            found[fold] = classifier.of_fold(fold).logits_by_length(some, BATCH, progress.update)
    return crossfit.joined(description, found, truth)
