"""Runtime "torch_compiled": a torch network that was compiled ahead of time (AOTInductor), without transformers.

`model.pt2` holds the compiled code with its weights, made for the processor that it was compiled on. It is native code: load
it from where you trust what runs, as any program.
"""

import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.runtimes.base import TOKENIZER, Description, Runtime, TokenizedClassifier, checked_open

MODEL = "model.pt2"
PLAIN = (".cpp", ".json", ".so", "archive_format", "archive_version", "version", "byteorder", "serialization_id")


class CompiledClassifier(TokenizedClassifier):
    """Inference with compiled code on the CPU."""

    def __init__(self, artifact: Path, description: Description, threads: int) -> None:
        import torch
        from torch._inductor import aoti_load_package

        torch.set_num_threads(threads)
        self._torch = torch
        super().__init__(artifact, description, threads)
        _require_no_pickle(artifact / MODEL)
        with warnings.catch_warnings(action="ignore"):
            self._network = aoti_load_package(str(artifact / MODEL))

    def forward(self, *encoded: Any) -> np.ndarray:
        """Logits of token ids and their mask, both int64 (batch, length): float32 (batch, len(labels))."""
        ids, mask = encoded
        with self._torch.inference_mode():
            found: np.ndarray = self._network(self._torch.from_numpy(ids), self._torch.from_numpy(mask)).float().numpy()
        return found


def _require_no_pickle(package: Path) -> None:
    """Raises ValueError where it holds more than code, weights within it, and JSON."""
    with zipfile.ZipFile(package) as opened:
        other = [name for name in opened.namelist() if not name.endswith(PLAIN)]
    if other:
        raise ValueError(f"{package}: has {other[0]}, which no package of compiled code needs")


class CompiledRuntime(Runtime):
    """See `pipeline.runtimes.base.Runtime`."""

    name = "torch_compiled"
    requires = ("numpy", "tokenizers", "torch")
    weights = (MODEL,)  # with the code, of which they are a part
    profiler = "torch"
    unseen = (
        "The network is one piece of machine code with its weights within it: the time of that code is known, but not which "
        "products it multiplies, nor the time and the bytes of its parts."
    )

    def open(self, artifact: Path, description: Description, threads: int) -> CompiledClassifier:
        """Load it. Raises OSError when a file is missing, ValueError when one is broken or compiled for something else."""
        return checked_open(artifact, (MODEL, TOKENIZER), lambda: CompiledClassifier(artifact, description, threads))

    def processor_features(self, artifact: Path) -> frozenset[str]:
        """The instruction sets that it was compiled for, and bfloat16 where the compiler's source has that type."""
        found: set[str] = set()
        with zipfile.ZipFile(artifact / MODEL) as package:
            for name in package.namelist():
                if name.endswith("_metadata.json"):
                    found |= set(json.loads(package.read(name)).get("AOTI_CPU_ISA", "").split())
                elif name.endswith(".cpp") and b"bfloat16" in package.read(name).lower():
                    found.add("bfloat16")
        return frozenset(found)


RUNTIME = CompiledRuntime()
