"""Runtime "openvino": a network in OpenVINO, in fp32, bfloat16 or int8, without torch; `pip install .[openvino]` brings it.

OpenVINO's own telemetry, which asks nobody, is switched off.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.runtimes.base import TOKENIZER, Description, Runtime, TokenizedClassifier, checked_open

MODEL, WEIGHTS, SETTINGS = "model.xml", "model.bin", "openvino.json"
PRECISIONS = ("f32", "bf16")  # in which what is not int8 is computed
MISSING = "openvino is not installed; pip install '.[openvino]' does it"


class OpenvinoClassifier(TokenizedClassifier):
    """Inference with OpenVINO on the CPU."""

    def __init__(self, artifact: Path, description: Description, threads: int) -> None:
        super().__init__(artifact, description, threads)
        self._request = compiled(artifact, threads).create_infer_request()

    def forward(self, *encoded: Any) -> np.ndarray:
        """Logits of token ids and their mask, both int64 (batch, length): float32 (batch, len(labels))."""
        ids, mask = encoded
        found: np.ndarray = self._request.infer({"input_ids": ids, "attention_mask": mask})["logits"]
        return found.copy()  # the request writes its next answer there


def compiled(artifact: Path, threads: int, **more: Any) -> Any:
    """The network as OpenVINO runs it, with `more` of OpenVINO's properties. Raises what OpenVINO does for a broken file."""
    settings = {
        "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY", "ENABLE_CPU_PINNING": False,
        "INFERENCE_PRECISION_HINT": precision(artifact),
    }  # fmt: skip
    return library().Core().compile_model(artifact / MODEL, "CPU", settings | more)


def precision(artifact: Path) -> str:
    """In which what is not int8 is computed: one of `PRECISIONS`."""
    return str(json.loads((artifact / SETTINGS).read_text(encoding="utf-8"))["precision"])


def library() -> Any:
    """OpenVINO, silent. Raises ImportError where it is not installed."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # then its own stand-in is taken
    import openvino

    return openvino


class OpenvinoRuntime(Runtime):
    """See `pipeline.runtimes.base.Runtime`."""

    name = "openvino"
    requires = ("numpy", "tokenizers", "openvino")
    weights = (WEIGHTS,)
    files = (MODEL, SETTINGS)
    profiler = "openvino"

    def open(self, artifact: Path, description: Description, threads: int) -> OpenvinoClassifier:
        """Load it. Raises OSError when a file is missing, ValueError when one is broken, ImportError without OpenVINO."""
        library()
        files = (MODEL, WEIGHTS, SETTINGS, TOKENIZER)
        return checked_open(artifact, files, lambda: OpenvinoClassifier(artifact, description, threads))

    def processor_features(self, artifact: Path) -> frozenset[str]:
        """int8 where NNCF has quantized activations; bfloat16 where the rest is computed in it."""
        quantized = 'type="FakeQuantize"' in (artifact / MODEL).read_text(encoding="utf-8")
        return frozenset({"int8"} if quantized else ()) | ({"bfloat16"} if precision(artifact) == "bf16" else set())


RUNTIME = OpenvinoRuntime()
