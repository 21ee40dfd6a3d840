"""Static quantization of an ONNX graph: calibration texts fix the ranges of activations in advance.

The graph gets QuantizeLinear and DequantizeLinear around its products ("QDQ"), which ONNX Runtime fuses when it loads the
graph. A range covers all values seen (minmax) or most of them (percentile), or it is the one whose 8-bit histogram is
nearest to that of fp32 in relative entropy (entropy; Migacz 2017).
"""

import contextlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import OptimizationError
from pipeline.runtimes.onnx_graph import quiet

METHODS = ("minmax", "percentile", "entropy")
Inputs = Mapping[str, np.ndarray]  # input_ids, attention_mask and maybe token_type_ids, int64 (1, tokens)


class StaticQuantization:
    """A graph with measured ranges. `write` makes networks of it with any choice of nodes in int8."""

    def __init__(self, graph: Path, texts: Sequence[Inputs], method: str, percentile: float, scratch: Path) -> None:
        """Measure the ranges. Raises OptimizationError where attention or embeddings are fused."""
        import onnx
        from onnxruntime.quantization import CalibrationMethod, calibrate

        self._model = onnx.load(graph)
        fused = {"Attention", "EmbedLayerNormalization"} & {node.op_type for node in self._model.graph.node}
        if fused:
            raise OptimizationError(f"fused operators ({', '.join(sorted(fused))}): set optim.steps.export.fuse=parts")
        self.nodes = products(self._model.graph)
        methods = {"minmax": "MinMax", "percentile": "Percentile", "entropy": "Entropy"}
        with quiet(), contextlib.redirect_stdout(io.StringIO()):
            calibrator = calibrate.create_calibrator(
                graph, list(OPERATORS), str(scratch / "augmented.onnx"), CalibrationMethod[methods[method]],
                extra_options={"symmetric": False} | ({"percentile": percentile} if method == "percentile" else {}),
            )  # fmt: skip
            for inputs in texts:  # one by one: the histograms need equal shapes
                calibrator.collect_data(_Reader(inputs))
            self._ranges = calibrator.compute_data()

    def write(self, path: Path, kept: Sequence[str], per_channel: bool, reduce_range: bool) -> None:
        """Write a network with all products in int8, except those `kept` in fp32."""
        import copy

        import onnx
        from onnxruntime.quantization import QuantType
        from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

        if set(self.nodes) <= set(kept):  # the quantizer takes an empty list as all nodes
            onnx.save(self._model, path)
            return
        with quiet():
            quantizer = QDQQuantizer(
                copy.deepcopy(self._model), per_channel, reduce_range, QuantType.QInt8, QuantType.QUInt8, self._ranges,
                [name for name in self.nodes if name not in kept], list(kept), list(OPERATORS),
                {"DefaultTensorType": onnx.TensorProto.FLOAT, "QuantizeBias": False},
            )  # fmt: skip
            quantizer.quantize_model()
            quantizer.model.save_model_to_file(str(path), False)


OPERATORS = ("MatMul", "Gemm", "Gather")


class _Reader:
    """Gives one text to the calibrator."""

    def __init__(self, inputs: Inputs) -> None:
        self._left: list[Inputs] = [inputs]

    def get_next(self) -> Inputs | None:
        return self._left.pop() if self._left else None


def products(graph: Any) -> list[str]:
    """Names of the nodes with weights: matrix products, and look-ups of embeddings."""
    from onnx import TensorProto

    weights = {tensor.name: tensor for tensor in graph.initializer}

    def of_weights(node: Any) -> bool:
        if node.op_type == "Gather":
            table = weights.get(node.input[0])
            return table is not None and table.data_type == TensorProto.FLOAT and len(table.dims) == 2
        return node.op_type in OPERATORS and node.input[1] in weights

    return [node.name for node in graph.node if of_weights(node)]
