"""An ONNX graph as ONNX Runtime runs it, after its optimizations, and the time from its profiler."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.evaluation.doctor.facts import INT8, MATRIX, Network, Operators, Product, count_layers
from pipeline.runtimes.base import INPUTS
from pipeline.runtimes.onnx import NORM_FUSION, session
from pipeline.runtimes.onnx_folder import graph_of

Inputs = Sequence[tuple[np.ndarray, ...]]  # what `encode` gave for each text
WARM_UP = 5  # texts


def examine(artifact: Path, threads: int, inputs: Inputs, scratch: Path) -> tuple[Network, Operators]:
    """The network that runs and its time by operator, one text at a time."""
    optimized = scratch / "optimized.onnx"
    profiled = _profiled(graph_of(artifact), threads, optimized, scratch)
    for encoded in [*inputs[:WARM_UP], *inputs]:
        given = dict(zip(INPUTS, encoded, strict=False))
        profiled.run(["logits"], {taken.name: given[taken.name] for taken in profiled.get_inputs()})
    events = json.loads(Path(profiled.end_profiling()).read_text(encoding="utf-8"))
    return read(optimized), times(events, len(inputs))


def _profiled(model: Path, threads: int, optimized: Path, scratch: Path) -> Any:
    import onnxruntime

    options = session(model, threads).get_session_options()  # the classifier's own options
    options.optimized_model_filepath = str(optimized)
    options.enable_profiling = True
    options.profile_file_prefix = str(scratch / "profile")
    return onnxruntime.InferenceSession(
        str(model), options, providers=["CPUExecutionProvider"], disabled_optimizers=[NORM_FUSION]
    )


def read(model: Path) -> Network:
    """The matrix products and operators of a graph file."""
    import onnx

    graph = onnx.load(model).graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:  # weights may be stored in int8 and multiplied in fp32
        if node.op_type == "DequantizeLinear" and node.input[0] in tensors:
            tensors[node.output[0]] = tensors[node.input[0]]
    products = tuple(
        _product(node, tensors[name])
        for node in graph.node
        if node.op_type in MATRIX
        for name in node.input
        if name in tensors and len(tensors[name].dims) > 1
    )
    names = [*(node.name for node in graph.node), *tensors]
    return Network(products, count_layers(names), dict(Counter(node.op_type for node in graph.node)))


def _product(node: Any, tensor: Any) -> Product:
    from onnx import numpy_helper

    weights = numpy_helper.to_array(tensor)
    zeros = None if weights.dtype == np.uint8 else int((weights == 0).sum())  # its zero point is not 0
    return Product(node.name or node.op_type, weights.size, zeros, node.op_type in INT8)


def times(events: list[dict[str, Any]], texts: int) -> Operators:
    """The time by operator of the last `texts` calls, from ONNX Runtime's profile."""
    calls = sorted(event["ts"] for event in events if event["name"] == "model_run")
    kernels = [
        event
        for event in events
        if event["cat"] == "Node" and event["name"].endswith("_kernel_time") and event["ts"] >= calls[-texts]
    ]
    spent: Counter[str] = Counter()
    for event in kernels:
        spent[event["args"]["op_name"]] += event["dur"]
    return Operators.of(dict(spent), len(kernels), texts)
