"""Runtime "openvino": a network in OpenVINO, in fp32, bfloat16 or int8, without torch; `pip install .[openvino]` brings it.

OpenVINO's own telemetry, which asks nobody, is switched off.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.runtimes.base import TOKENIZER, Description, Encoder, checked_open

MODEL, WEIGHTS, SETTINGS = "model.xml", "model.bin", "openvino.json"
PRECISIONS = ("f32", "bf16")  # in which what is not int8 is computed
MISSING = "openvino is not installed; pip install '.[openvino]' does it"


class OpenvinoClassifier:
    """Inference with OpenVINO on the CPU; see `pipeline.runtimes.base.Classifier`."""

    def __init__(self, artifact: Path, description: Description, threads: int) -> None:
        self.labels = description.labels
        self.encode = Encoder(artifact, description.max_length, description.pad_id, threads)
        precision = json.loads((artifact / SETTINGS).read_text(encoding="utf-8"))["precision"]
        settings = {
            "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY", "ENABLE_CPU_PINNING": False,
            "INFERENCE_PRECISION_HINT": precision,
        }  # fmt: skip
        self._request = library().Core().compile_model(artifact / MODEL, "CPU", settings).create_infer_request()

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        """Logits of a batch: float32 (len(texts), len(labels))."""
        return self.forward(*self.encode(texts))

    def forward(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Logits of token ids and their mask, both int64 (batch, length): float32 (batch, len(labels))."""
        found: np.ndarray = self._request.infer({"input_ids": ids, "attention_mask": mask})["logits"]
        return found.copy()  # the request writes its next answer there


def library() -> Any:
    """OpenVINO, silent. Raises ImportError where it is not installed."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # then its own stand-in is taken
    import openvino

    return openvino


def packages(artifact: Path) -> tuple[str, ...]:
    """What it needs to be served."""
    return ("numpy", "tokenizers", "openvino")


def open(artifact: Path, description: Description, threads: int) -> OpenvinoClassifier:
    """Load it. Raises OSError when a file is missing, ValueError when one is broken, ImportError without OpenVINO."""
    library()
    return checked_open(
        artifact, (MODEL, WEIGHTS, SETTINGS, TOKENIZER), lambda: OpenvinoClassifier(artifact, description, threads)
    )
