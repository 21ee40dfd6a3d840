"""Logits of a whole split, in batches of texts of similar length.

If batching changes logits, as in dynamic quantization, texts are answered one at a time, as in measuring and serving.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.runtimes.base import Description, load
from pipeline.system.progress import bar

BATCH = 32  # texts


def logits_of(artifact: Path, texts: Sequence[str], activity: str, batch: int = BATCH) -> np.ndarray:
    """Logits of the classifier in an artifact directory, with all of torch's threads: float32 (len(texts), n_labels).

    The progress bar shows `activity`. The last digits of logits depend on the batch size.
    """
    import torch

    classifier = load(artifact, torch.get_num_threads())
    batch = Description.read(artifact).batch(batch)
    result = np.empty((len(texts), len(classifier.labels)), dtype=np.float32)
    by_length = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    with bar(activity, "text", len(texts)) as progress:
        for start in range(0, len(texts), batch):
            rows = by_length[start : start + batch]
            result[rows] = classifier.logits([texts[i] for i in rows])
            progress.update(len(rows))
    return result
