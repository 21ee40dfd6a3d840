"""Bytes on disk by part of the network; the name of a weight shows its part."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

PARTS = ("embeddings", "attention", "feed-forward", "pooler and classifier", "rest of the model", "tokenizer", "other files")
MARKS = (  # the first match in a name decides
    ("embeddings", ("embed",)),
    ("attention", ("attention",)),
    ("feed-forward", ("intermediate", "ffn", "gelu", "layer.")),  # everything in a layer that is not attention
    ("pooler and classifier", ("pooler", "classifier")),
)
TOKENIZER_FILES = ("tokenizer", "vocab", "special_tokens", "added_tokens", "merges", "spiece", "sentencepiece")


def part_of(name: str) -> str | None:
    """The part of a weight or operator, by its torch or ONNX name; None where the name does not show it."""
    plain = name.lower().replace("/", ".")
    return next((part for part, marks in MARKS if any(mark in plain for mark in marks)), None)


def sizes(artifact: Path, model_files: Collection[Path]) -> dict[str, int]:
    """Bytes of each part, in the order of `PARTS`; the sum is the size of the artifact.

    `model_files` contain weights or the graph. Bytes without a known name, such as compiled code, are "rest of the model".
    """
    counts: Counter[str] = Counter()
    for file in sorted(path for path in artifact.rglob("*") if path.is_file()):
        size = file.stat().st_size
        if file in model_files:
            for part, count in READERS[file.suffix](file) if file.suffix in READERS else ():
                counts[part] += count
                size -= count
            counts["rest of the model"] += size  # the graph, names, shapes
        else:
            counts["tokenizer" if file.name.startswith(TOKENIZER_FILES) else "other files"] += size
    return {part: counts[part] for part in PARTS}


def _in_safetensors(file: Path) -> Iterator[tuple[str, int]]:
    from safetensors import safe_open

    with safe_open(file, framework="pt") as opened:
        for name in opened.keys():  # noqa: SIM118  it is no dict
            yield part_of(name) or "rest of the model", opened.get_tensor(name).nbytes


def _in_onnx(file: Path) -> Iterator[tuple[str, int]]:
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(file).graph
    users: dict[str, list[str]] = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(f"{node.op_type} {node.name}")
    for tensor in graph.initializer:
        known = _first([tensor.name, *users.get(tensor.name, [])])  # a tensor's own name may be a number
        yield known or "rest of the model", len(tensor.raw_data) or numpy_helper.to_array(tensor).nbytes


def _in_openvino(file: Path) -> Iterator[tuple[str, int]]:
    from pipeline.runtimes.openvino import library

    seen: set[int] = set()
    for node in library().Core().read_model(file.with_suffix(".xml")).get_ordered_ops():
        if node.get_type_name() == "Constant" and node.data.ctypes.data not in seen:  # equal constants are stored once
            seen.add(node.data.ctypes.data)
            yield _first(_users(node)) or "rest of the model", node.get_byte_size()


def _users(node: Any, hops: int = 4) -> Iterator[str]:
    """The names of an OpenVINO node and of its users, nearest first; between int8 weights and the layer are conversions."""
    level = [node]
    for _ in range(hops):
        yield from (each.get_friendly_name() for each in level)
        level = [used.get_node() for each in level for output in each.outputs() for used in output.get_target_inputs()]


def _first(names: Iterable[str]) -> str | None:
    return next((part for part in map(part_of, names) if part is not None), None)


READERS: dict[str, Any] = {".safetensors": _in_safetensors, ".onnx": _in_onnx, ".bin": _in_openvino}
