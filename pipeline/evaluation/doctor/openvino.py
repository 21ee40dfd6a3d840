"""A network in OpenVINO: the matrix products of its model, and the time by operator from OpenVINO's profile."""

import math
from collections import Counter
from pathlib import Path
from typing import Any

from pipeline.evaluation.doctor.facts import Network, Operators, Product, count_layers
from pipeline.evaluation.doctor.graph import WARM_UP, Inputs
from pipeline.runtimes.base import INPUTS
from pipeline.runtimes.openvino import MODEL, compiled, library

PASSING = {"Convert", "Multiply", "Subtract", "Reshape", "Transpose", "FakeQuantize"}  # nodes between data and product
INT8_TYPES = {"i8", "u8"}


def examine(artifact: Path, threads: int, inputs: Inputs) -> tuple[Network, Operators]:
    """The matrix products of the model and its time by operator, one text at a time."""
    request = compiled(artifact, threads, PERF_COUNT=True).create_infer_request()
    spent: Counter[str] = Counter()
    calls = 0
    for number, encoded in enumerate([*inputs[:WARM_UP], *inputs]):
        request.infer(dict(zip(INPUTS, encoded, strict=False)))
        ran = [node for node in request.get_profiling_info() if str(node.status).endswith(".EXECUTED")]
        if number >= len(inputs[:WARM_UP]):
            calls += len(ran)
            for node in ran:
                spent[_operator(node)] += node.real_time.total_seconds()
    return read(artifact), Operators.of(dict(spent), calls, len(inputs))


def _operator(node: Any) -> str:
    """The operator type, marked if it computes in int8, as OpenVINO's kernel name ("brgemm_avx512_i8") shows."""
    return str(node.node_type) + (" int8" if node.exec_type.lower().endswith("_i8") else "")


def read(artifact: Path) -> Network:
    """The matrix products of a model file; one is int8 where its weights are int8 and its activations quantized."""
    nodes = library().Core().read_model(artifact / MODEL).get_ordered_ops()
    products = [_product(node) for node in nodes if node.get_type_name() == "MatMul"]
    names = [node.get_friendly_name() for node in nodes]
    return Network(tuple(product for product in products if product is not None), count_layers(names), operators=None)


def _product(node: Any) -> Product | None:
    """A matrix product; None where neither factor is a matrix of weights."""
    paths = [_path(node, place) for place in (0, 1)]
    weights = next((path[-1] for path in paths if path[-1].get_type_name() == "Constant"), None)
    if weights is None:
        return None
    kind = weights.get_element_type().get_type_name()
    quantized = all(_has_quantizer(path) or (path[-1] is weights and kind in INT8_TYPES) for path in paths)
    zeros = None if kind == "u8" else int((weights.data == 0).sum())  # its zero point is not 0
    return Product(node.get_friendly_name(), math.prod(weights.shape), zeros, quantized)


def _has_quantizer(path: list[Any]) -> bool:
    return any(node.get_type_name() == "FakeQuantize" for node in path)


def _path(node: Any, place: int) -> list[Any]:
    """The nodes from an input back to the source of its data."""
    path = [node.input_value(place).get_node()]
    while path[-1].get_type_name() in PASSING:
        path.append(path[-1].input_value(0).get_node())
    return path
