"""Runtime "openvino": a network in OpenVINO, in fp32, bfloat16 or int8, without torch. It needs `pip install .[openvino]`.

OpenVINO's telemetry, which is on by default, is switched off.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.runtimes.base import INPUTS, TOKENIZER, Description, Runtime, TokenizedClassifier, checked_open

MODEL, WEIGHTS, SETTINGS = "model.xml", "model.bin", "openvino.json"
PRECISIONS = ("f32", "bf16")  # for all that is not int8
MISSING = "openvino is not installed; install it with pip install '.[openvino]'"


class OpenvinoClassifier(TokenizedClassifier):
    """Inference with OpenVINO on the CPU."""

    def __init__(self, artifact: Path, description: Description, threads: int) -> None:
        super().__init__(artifact, description, threads)
        self._request = compiled(artifact, threads).create_infer_request()

    def forward(self, *encoded: Any) -> np.ndarray:
        """Logits of token ids, their mask and maybe token types, int64 (batch, length): float32 (batch, len(labels))."""
        found: np.ndarray = self._request.infer(dict(zip(INPUTS, encoded, strict=False)))["logits"]
        return found.copy()  # the request reuses this memory for its next answer


def compiled(artifact: Path, threads: int, **more: Any) -> Any:
    """The compiled network, with `more` OpenVINO properties. Raises what OpenVINO raises for a damaged file."""
    settings = {
        "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY", "ENABLE_CPU_PINNING": False,
        "INFERENCE_PRECISION_HINT": precision(artifact),
    }  # fmt: skip
    return library().Core().compile_model(artifact / MODEL, "CPU", settings | more)


def precision(artifact: Path) -> str:
    """The precision of all that is not int8: one of `PRECISIONS`."""
    return str(json.loads((artifact / SETTINGS).read_text(encoding="utf-8"))["precision"])


def library() -> Any:
    """The OpenVINO module, without telemetry. Raises ImportError where it is not installed."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # OpenVINO then uses its own stub
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
        """Load it. Raises OSError when a file is missing, ValueError when one is damaged, ImportError without OpenVINO."""
        library()
        files = (MODEL, WEIGHTS, SETTINGS, TOKENIZER)
        return checked_open(artifact, files, lambda: OpenvinoClassifier(artifact, description, threads))

    def processor_features(self, artifact: Path) -> frozenset[str]:
        """int8 where NNCF quantized activations; bfloat16 where the rest computes in bfloat16."""
        quantized = 'type="FakeQuantize"' in (artifact / MODEL).read_text(encoding="utf-8")
        return frozenset({"int8"} if quantized else ()) | ({"bfloat16"} if precision(artifact) == "bf16" else set())


RUNTIME = OpenvinoRuntime()
