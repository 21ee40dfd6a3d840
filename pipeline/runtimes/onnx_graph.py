"""A transformers network -> an ONNX graph whose parts are fused into ONNX Runtime's operators for transformers.

This module uses the tracing exporter and plain ("eager") attention. ONNX Runtime's optimizer finds no attention to fuse in
the graphs of the newer exporter, nor in those of torch's fused attention.
"""

import contextlib
import hashlib
import inspect
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import OptimizationError
from pipeline.models.token_types import ARGUMENT

OPSET = 17
FUSED = ("all", "layers", "parts", "none")  # how much of a graph is fused, see `fuse`
SMALL = 1024  # bytes; a smaller tensor may be there twice
MAX_WEIGHT_BYTES = 2**31 - 2**24  # a protobuf file can hold 2 GB; some of it is for the graph itself


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Suppress the warnings and log lines of exporter, optimizer and quantizer, which are for their developers."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def export(model: Any, path: Path, typed: bool = False) -> None:
    """Write a network as ONNX: input_ids and attention_mask, int64 (batch, length) -> logits, float32 (batch, labels).

    typed: the graph also takes token_type_ids, like them. Batch and length are free. Raises OptimizationError when the
    network is too large for one file or has a part that ONNX lacks.
    """
    import torch

    require_onnx_size(model)

    class Network(torch.nn.Module):
        """Token ids, mask and maybe token types -> logits.

        Where no types are given, it passes 0 for all: the network would add many operators to make them.
        """

        def __init__(self) -> None:
            super().__init__()
            self.model = model
            self.takes_types = ARGUMENT in inspect.signature(model.forward).parameters

        def forward(self, ids: torch.Tensor, mask: torch.Tensor, types: torch.Tensor | None = None) -> torch.Tensor:
            further = {ARGUMENT: torch.zeros_like(ids) if types is None else types} if self.takes_types else {}
            logits: torch.Tensor = self.model(input_ids=ids, attention_mask=mask, **further).logits
            return logits

    model.set_attn_implementation("eager")
    given = _example(typed)
    axes = {name: {0: "batch", 1: "length"} for name in given} | {"logits": {0: "batch"}}
    with quiet():
        try:
            torch.onnx.export(
                Network().eval(), tuple(given.values()), str(path), input_names=list(given), output_names=["logits"],
                dynamic_axes=axes, opset_version=OPSET, dynamo=False,
            )  # fmt: skip
        except torch.onnx.OnnxExporterError as error:
            raise OptimizationError(
                f"{type(model).__name__} can't be exported to ONNX ({str(error).splitlines()[0]}); leave out export_onnx"
            ) from error


def _example(typed: bool) -> dict[str, Any]:
    import torch

    ids, mask = torch.ones(2, 8, dtype=torch.int64), torch.ones(2, 8, dtype=torch.int64)
    mask[1, 5:] = 0  # a trace without padding would have no mask in it
    return {"input_ids": ids, "attention_mask": mask} | ({ARGUMENT: torch.zeros_like(ids)} if typed else {})


def require_onnx_size(model: Any) -> None:
    """Raises OptimizationError when a network is too large for one ONNX file."""
    size = sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())
    if size > MAX_WEIGHT_BYTES:
        raise OptimizationError(
            f"the network has {size / 2**30:.1f} GB of weights, and an ONNX file holds at most 2 GB; use a smaller network"
        )


def require_fuse(fuse: str | None, least: str, what: str) -> None:
    """Raises OptimizationError where more than `least` of a graph is fused, which `what` can't take; None: not known."""
    if fuse is not None and FUSED.index(fuse) < FUSED.index(least):
        raise OptimizationError(f"{what} needs a graph that is less fused: set optim.steps.export.fuse={least}")


def fuse(exported: Path, path: Path, max_tokens: int, how: str = "all", family: str = "bert") -> dict[str, int]:
    """Fuse an exported graph, write it to `path`; returns how many of each fused operator it has.

    "layers" does not fuse the embeddings, "parts" neither embeddings nor attention: a fused part can be quantized in one way
    only. "none" fuses nothing. The graph takes the mask itself, not the number of tokens, so padding may be anywhere. No
    text has more than `max_tokens` tokens. `family` is what ONNX Runtime's optimizer calls the architecture. Raises
    OptimizationError where the optimizer fails.
    """
    import onnx

    graph = onnx.load(exported)
    if how == "none":
        share_equal_tensors(graph)
        onnx.save(graph, path)
        return {}
    try:
        with quiet():
            fused = _fused(graph, how, family)
            _split_norms(fused)
            if how != "all":
                _trim_embeddings(fused, max_tokens)
            share_equal_tensors(fused.model)
            fused.save_model_to_file(str(path))
            counts: dict[str, int] = fused.get_fused_operator_statistics()
    except Exception as error:  # it raises what a graph that it does not expect happens to lead to
        first = next(iter(str(error).splitlines()), "")
        raise OptimizationError(f"ONNX Runtime can't fuse this graph ({type(error).__name__}: {first})") from error
    return {name: count for name, count in counts.items() if count}


def _fused(graph: Any, how: str, family: str) -> Any:
    from onnxruntime.transformers.fusion_options import FusionOptions
    from onnxruntime.transformers.optimizer import optimize_by_fusion

    options = FusionOptions(family)
    options.use_raw_attention_mask(True)
    options.enable_embed_layer_norm, options.enable_attention = how == "all", how != "parts"
    _write_heads(graph)
    return optimize_by_fusion(graph, family, optimization_options=options)


def share_equal_tensors(model: Any) -> None:
    """Keep one of several equal tensors of an ONNX model: ALBERT's layers share their weights."""
    from onnx import numpy_helper

    kept: dict[tuple[Any, ...], str] = {}
    instead: dict[str, str] = {}
    for tensor in list(model.graph.initializer):
        values = numpy_helper.to_array(tensor)
        if values.nbytes < SMALL:
            continue
        key = (tensor.data_type, tuple(tensor.dims), hashlib.sha256(values.tobytes()).digest())
        if kept.setdefault(key, tensor.name) != tensor.name:
            instead[tensor.name] = kept[key]
            model.graph.initializer.remove(tensor)
    for node in model.graph.node:
        node.input[:] = [instead.get(name, name) for name in node.input]


def _write_heads(graph: Any) -> None:
    """Write each layer's number of heads where the trace has -1 (the size that remains).

    Otherwise the optimizer uses one number for the whole network, and the layers of a pruned network differ.
    """
    from onnx import numpy_helper
    from onnxruntime.transformers.onnx_model import OnnxModel

    model = OnnxModel(graph)
    for reshape in model.get_nodes_by_op_type("Reshape"):  # (batch, length, heads * size) -> (batch, length, heads, size)
        added, shape = model.get_parent(reshape, 0), model.get_parent(reshape, 1)
        if added is None or added.op_type != "Add" or shape is None or shape.op_type != "Concat" or len(shape.input) != 4:
            continue
        heads, size = (model.get_constant_value(name) for name in shape.input[2:])
        biases = [tensor for tensor in map(model.get_initializer, added.input) if tensor is not None]
        if heads is None or size is None or heads.item() != -1 or not biases:
            continue
        name = f"{shape.output[0]}_heads"
        model.add_initializer(numpy_helper.from_array(np.array([biases[0].dims[0] // size.item()], dtype=np.int64), name))
        shape.input[2] = name


def _split_norms(fused: Any) -> None:
    """Split the fused operator for a sum and a layer norm into two operators.

    ONNX Runtime's fused operator (1.32, on the CPU) takes longer than the two: an int8 network of three layers was 1.22
    times as fast without it. It fuses an "Add" again when somebody loads the graph, but not a "Sum".
    """
    from onnx import helper

    for node in fused.get_nodes_by_op_type("SkipLayerNormalization"):
        if any(node.output[1:]):  # another node uses the sum too
            continue
        first, second, weight, shift, *bias = node.input
        parts, total = [], f"{node.output[0]}_sum"
        if any(bias):
            parts.append(helper.make_node("Add", [first, bias[0]], [f"{total}_biased"], name=f"{node.name}_bias"))
            first = parts[0].output[0]
        parts.append(helper.make_node("Sum", [first, second], [total], name=f"{node.name}_sum"))
        epsilon = fused.get_node_attribute(node, "epsilon")
        norm = helper.make_node(
            "LayerNormalization",
            [total, weight, shift],
            list(node.output[:1]),
            name=f"{node.name}_norm",
            axis=-1,
            epsilon=epsilon,
        )
        for part in (*parts, norm):
            fused.add_node(part)
        fused.remove_node(node)
    fused.topological_sort()


def _trim_embeddings(fused: Any, max_tokens: int) -> None:
    """Remove positions that no text reaches, and add the token type's vector, where it is always the same, to the others."""
    from onnx import helper, numpy_helper

    looked_up = {node.input[0].rpartition(".embeddings.")[2]: node for node in fused.get_nodes_by_op_type("Gather")}
    types, places = looked_up.get("token_type_embeddings.weight"), looked_up.get("position_embeddings.weight")
    if places is None:
        return
    table = fused.get_initializer(places.input[0])
    vectors = numpy_helper.to_array(table)
    counted = fused.get_parent(places, 1)
    if counted.op_type == "Slice":  # always the first positions, so no look-up is needed
        vectors = vectors[:max_tokens]
        rows = numpy_helper.from_array(np.zeros(1, dtype=np.int64), f"{table.name}_rows")
        fused.add_initializer(rows)
        first = [table.name, *counted.input[1:3], rows.name]
        fused.add_node(helper.make_node("Slice", first, list(places.output), name=f"{places.name}_first"))
        fused.remove_node(places)
    if types is not None and getattr(fused.get_parent(types, 1), "op_type", "") == "ConstantOfShape":  # else it is an input
        vectors = vectors + numpy_helper.to_array(fused.get_initializer(types.input[0]))[0]
        (added,) = fused.get_children(types)
        fused.replace_input_of_all_nodes(added.output[0], next(name for name in added.input if name != types.output[0]))
        fused.remove_node(added)
    table.CopyFrom(numpy_helper.from_array(vectors, table.name))
    fused.prune_graph()
    fused.topological_sort()
