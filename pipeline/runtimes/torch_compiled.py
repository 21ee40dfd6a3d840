"""Runtime "torch_compiled": a torch network that was compiled ahead of time (AOTInductor), without transformers.

`model.pt2` holds the compiled code with its weights, made for the processor that it was compiled on. It is native code: load
it from where you trust what runs, as any program.
"""

import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.runtimes.base import TOKENIZER, Description, Encoder, checked_open

MODEL = "model.pt2"
PLAIN = (".cpp", ".json", ".so", "archive_format", "archive_version", "version", "byteorder", "serialization_id")


class CompiledClassifier:
    """Inference with compiled code on the CPU; see `pipeline.runtimes.base.Classifier`."""

    def __init__(self, artifact: Path, description: Description, threads: int) -> None:
        import torch
        from torch._inductor import aoti_load_package

        torch.set_num_threads(threads)
        self._torch = torch
        self.labels = description.labels
        self.encode = Encoder(artifact, description.max_length, description.pad_id, threads)
        _require_no_pickle(artifact / MODEL)
        with warnings.catch_warnings(action="ignore"):
            self._network = aoti_load_package(str(artifact / MODEL))

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        """Logits of a batch: float32 (len(texts), len(labels))."""
        return self.forward(*self.encode(texts))

    def forward(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Logits of token ids and their mask, both int64 (batch, length): float32 (batch, len(labels))."""
        with self._torch.inference_mode():
            found: np.ndarray = self._network(self._torch.from_numpy(ids), self._torch.from_numpy(mask)).float().numpy()
        return found


def _require_no_pickle(package: Path) -> None:
    """Raises ValueError where it holds more than code, weights within it, and JSON."""
    with zipfile.ZipFile(package) as opened:
        other = [name for name in opened.namelist() if not name.endswith(PLAIN)]
    if other:
        raise ValueError(f"{package}: has {other[0]}, which no package of compiled code needs")


def packages(artifact: Path) -> tuple[str, ...]:
    """What it needs to be served."""
    return ("numpy", "tokenizers", "torch")


def open(artifact: Path, description: Description, threads: int) -> CompiledClassifier:
    """Load it. Raises OSError when a file is missing, ValueError when one is broken or was compiled for something else."""
    return checked_open(artifact, (MODEL, TOKENIZER), lambda: CompiledClassifier(artifact, description, threads))
