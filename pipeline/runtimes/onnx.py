"""Runtime "onnx": a graph in ONNX Runtime, in fp32 or int8. It needs neither torch nor transformers, so it loads fast.

The export fused the graph. ONNX Runtime's own optimizations still run when the graph is loaded: they fuse the operators of
an int8 graph.
"""

from pathlib import Path
from typing import Any

import numpy as np

from pipeline.runtimes.base import (
    INPUTS,
    TOKENIZER,
    Description,
    PublishedForm,
    Runtime,
    TokenizedClassifier,
    checked_open,
)
from pipeline.runtimes.onnx_folder import graph_of, operators_of
from pipeline.runtimes.onnx_notes import notes

INT8 = {  # operators that quantize activations or multiply quantized matrices
    "QuantizeLinear", "DynamicQuantizeLinear", "MatMulInteger", "DynamicQuantizeMatMul", "MatMulIntegerToFloat",
    "QAttention", "QGemm", "QLinearMatMul",
}  # fmt: skip
NORM_FUSION = "SkipLayerNormFusion"  # of a graph that was not fused, it would make what `onnx_graph` splits


class OnnxClassifier(TokenizedClassifier):
    """Inference with ONNX Runtime on the CPU.

    A graph without a mask input (an int8 graph has none) can't distinguish padding from text, so it gets one text at a time.
    """

    def __init__(self, artifact: Path, description: Description, threads: int) -> None:
        super().__init__(artifact, description, threads)
        self._session = session(graph_of(artifact), threads)
        self._masked = "attention_mask" in {one.name for one in self._session.get_inputs()}

    def forward(self, *encoded: Any) -> np.ndarray:
        """Logits of token ids, their mask and maybe token types, int64 (batch, length): float32 (batch, len(labels))."""
        given = dict(zip(INPUTS, encoded, strict=False))
        if self._masked:
            return self._run(given)
        mask = given.pop("attention_mask")
        if len(mask) == 1:
            return self._run(given)
        rows = [{name: values[row][None, real] for name, values in given.items()} for row, real in enumerate(mask == 1)]
        return np.concatenate([self._run(row) for row in rows])

    def _run(self, given: dict[str, np.ndarray]) -> np.ndarray:
        logits: np.ndarray = self._session.run(["logits"], given)[0]
        return logits


def session(model: Path, threads: int) -> Any:
    """An ONNX Runtime session whose idle threads sleep. Raises what ONNX Runtime raises for a damaged file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    for pool in ("intra_op", "inter_op"):
        options.add_session_config_entry(f"session.{pool}.allow_spinning", "0")
    return onnxruntime.InferenceSession(
        str(model), options, providers=["CPUExecutionProvider"], disabled_optimizers=[NORM_FUSION]
    )


class OnnxRuntime(Runtime):
    """See `pipeline.runtimes.base.Runtime`."""

    name = "onnx"
    requires = ("numpy", "tokenizers", "onnxruntime")
    weights = ("onnx/*.onnx", "onnx/*.onnx_data")  # the weights of a large graph are in a file beside it
    profiler = "onnx"

    def open(self, artifact: Path, description: Description, threads: int) -> OnnxClassifier:
        """Load it. Raises OSError when a file is missing, ValueError when one is damaged or of another kind."""
        graph_of(artifact)
        return checked_open(artifact, (TOKENIZER,), lambda: OnnxClassifier(artifact, description, threads))

    def published_form(self, artifact: Path) -> PublishedForm:
        """See `onnx_folder`."""
        return PublishedForm.ONNX

    def notes(self, artifact: Path) -> list[str]:
        """See `onnx_notes`."""
        return notes(artifact)

    def processor_features(self, artifact: Path) -> frozenset[str]:
        """int8 where the graph quantizes activations. A graph that only stores its weights in int8 computes in fp32."""
        return frozenset({"int8"} if operators_of(artifact) & INT8 else ())


RUNTIME = OnnxRuntime()
