"""Runtime "torch_compiled": a torch network compiled ahead of time (AOTInductor). It does not need transformers.

`model.pt2` holds the compiled code and the weights, for the processor that it was compiled on. It is native code: only load
it from a source whose programs you would run.
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
        """Logits of token ids, their mask and maybe token types, int64 (batch, length): float32 (batch, len(labels))."""
        with self._torch.inference_mode():
            found: np.ndarray = self._network(*map(self._torch.from_numpy, encoded)).float().numpy()
        return found


def _require_no_pickle(package: Path) -> None:
    """Raises ValueError where the package holds anything but code with its weights, and JSON."""
    with zipfile.ZipFile(package) as opened:
        other = [name for name in opened.namelist() if not name.endswith(PLAIN)]
    if other:
        raise ValueError(f"{package}: contains {other[0]}, which a package of compiled code does not need")


class CompiledRuntime(Runtime):
    """See `pipeline.runtimes.base.Runtime`."""

    name = "torch_compiled"
    requires = ("numpy", "tokenizers", "torch")
    weights = (MODEL,)  # it holds code and weights
    profiler = "torch"
    no_profile_reason = (
        "The network is one piece of machine code that contains its weights. The time of that code is known. Its matrix "
        "products, and the time and bytes of its parts, are not."
    )

    def open(self, artifact: Path, description: Description, threads: int) -> CompiledClassifier:
        """Load it. Raises OSError when a file is missing, ValueError when one is damaged or compiled for another system."""
        return checked_open(artifact, (MODEL, TOKENIZER), lambda: CompiledClassifier(artifact, description, threads))

    def processor_features(self, artifact: Path) -> frozenset[str]:
        """The instruction sets that it was compiled for, and bfloat16 where the generated source has that type."""
        found: set[str] = set()
        with zipfile.ZipFile(artifact / MODEL) as package:
            for name in package.namelist():
                if name.endswith("_metadata.json"):
                    found |= set(json.loads(package.read(name)).get("AOTI_CPU_ISA", "").split())
                elif name.endswith(".cpp") and b"bfloat16" in package.read(name).lower():
                    found.add("bfloat16")
        return frozenset(found)


RUNTIME = CompiledRuntime()
