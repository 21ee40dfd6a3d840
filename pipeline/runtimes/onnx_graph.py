"""A transformers network -> an ONNX graph whose parts are fused into ONNX Runtime's own operators for transformers.

The exporter that traces is used, with plain ("eager") attention: in the graphs of the newer exporter, and in those of fused
torch attention, ONNX Runtime's optimizer finds no attention to fuse.
"""

import contextlib
import inspect
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import OptimizationError

OPSET = 17
MASK = "attention_mask"
FUSED = ("all", "layers", "parts")  # how much of a graph is fused, see `fuse`
LARGEST = 2**31 - 2**24  # bytes: what one protobuf file can hold, less some for the graph itself


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the warnings and log lines of exporter, optimizer and quantizer: they are for their developers."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def export(model: Any, path: Path) -> None:
    """Write a network as ONNX: input_ids and attention_mask, int64 (batch, length) -> logits, float32 (batch, labels).

    Batch and length are free. Raises OptimizationError when it is too large for one file or has a part that ONNX lacks.
    """
    import torch

    size = sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())
    if size > LARGEST:
        raise OptimizationError(
            f"the network has {size / 2**30:.1f} GB of weights, and an ONNX file holds 2 GB at most; take a smaller one"
        )

    class Network(torch.nn.Module):
        """Token ids and mask -> logits. Token types are all 0, and given: the network's own way to make them is long."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model
            self.typed = "token_type_ids" in inspect.signature(model.forward).parameters

        def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            types = {"token_type_ids": torch.zeros_like(ids)} if self.typed else {}
            logits: torch.Tensor = self.model(input_ids=ids, attention_mask=mask, **types).logits
            return logits

    model.set_attn_implementation("eager")
    ids, mask = torch.ones(2, 8, dtype=torch.int64), torch.ones(2, 8, dtype=torch.int64)
    mask[1, 5:] = 0  # a trace without padding would have no mask in it
    free = {0: "batch", 1: "length"}
    axes = {"input_ids": free, "attention_mask": free, "logits": {0: "batch"}}
    with quiet():
        try:
            torch.onnx.export(
                Network().eval(), (ids, mask), str(path), input_names=["input_ids", "attention_mask"],
                output_names=["logits"], dynamic_axes=axes, opset_version=OPSET, dynamo=False,
            )  # fmt: skip
        except torch.onnx.OnnxExporterError as error:
            raise OptimizationError(
                f"{type(model).__name__} can't be exported to ONNX ({str(error).splitlines()[0]}); leave out export_onnx"
            ) from error


def fuse(exported: Path, path: Path, most_tokens: int, how: str = "all") -> dict[str, int]:
    """Fuse an exported graph, write it to `path`; returns how many of each fused operator it has.

    "layers" leaves the embeddings as they are, "parts" attention too: what is fused can be quantized in one way only. The
    mask is used as it is, not as a number of tokens: it need not be at the end of a text. None has more than `most_tokens`.
    """
    import onnx
    from onnxruntime.transformers.fusion_options import FusionOptions
    from onnxruntime.transformers.optimizer import optimize_by_fusion

    graph = onnx.load(exported)
    options = FusionOptions("bert")
    options.use_raw_attention_mask(True)
    options.enable_embed_layer_norm, options.enable_attention = how == "all", how != "parts"
    with quiet():
        _write_heads(graph)
        fused = optimize_by_fusion(graph, "bert", optimization_options=options)
        _split_norms(fused)
        if how != "all":
            _fewer_embeddings(fused, most_tokens)
        fused.save_model_to_file(str(path))
        counts: dict[str, int] = fused.get_fused_operator_statistics()
    return {name: count for name, count in counts.items() if count}


def _write_heads(graph: Any) -> None:
    """Write each layer's number of heads where the trace has -1 ("whatever is left").

    The optimizer takes one number for the whole network otherwise, and layers of a pruned network differ.
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
    """Write a layer norm and the sum before it as operators of their own.

    ONNX Runtime's operator for both (1.32, on the CPU) takes longer than the two: an int8 network of three layers was 1.22
    times as fast without it.
    """
    from onnx import helper

    for node in fused.get_nodes_by_op_type("SkipLayerNormalization"):
        if any(node.output[1:]):  # its sum is used elsewhere too
            continue
        first, second, weight, shift, *bias = node.input
        parts, total = [], f"{node.output[0]}_sum"
        if any(bias):
            parts.append(helper.make_node("Add", [first, bias[0]], [f"{total}_biased"], name=f"{node.name}_bias"))
            first = parts[0].output[0]
        parts.append(helper.make_node("Add", [first, second], [total], name=f"{node.name}_sum"))
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


def _fewer_embeddings(fused: Any, most_tokens: int) -> None:
    """Leave out positions that no text reaches; add the token type's vector, always the same one, to the others."""
    from onnx import helper, numpy_helper

    looked_up = {node.input[0].rpartition(".embeddings.")[2]: node for node in fused.get_nodes_by_op_type("Gather")}
    types, places = looked_up.get("token_type_embeddings.weight"), looked_up.get("position_embeddings.weight")
    if places is None:
        return
    table = fused.get_initializer(places.input[0])
    vectors = numpy_helper.to_array(table)
    counted = fused.get_parent(places, 1)
    if counted.op_type == "Slice":  # the first ones, always: nothing needs to be looked up
        vectors = vectors[:most_tokens]
        rows = numpy_helper.from_array(np.zeros(1, dtype=np.int64), f"{table.name}_rows")
        fused.add_initializer(rows)
        first = [table.name, *counted.input[1:3], rows.name]
        fused.add_node(helper.make_node("Slice", first, list(places.output), name=f"{places.name}_first"))
        fused.remove_node(places)
    if types is not None and fused.get_parent(types, 1).op_type == "ConstantOfShape":
        vectors = vectors + numpy_helper.to_array(fused.get_initializer(types.input[0]))[0]
        (added,) = fused.get_children(types)
        fused.replace_input_of_all_nodes(added.output[0], next(name for name in added.input if name != types.output[0]))
        fused.remove_node(added)
    table.CopyFrom(numpy_helper.from_array(vectors, table.name))
    fused.prune_graph()
    fused.topological_sort()


def _without_mask(graph: Path) -> Any:
    """A fused graph for texts that are answered one at a time, so without padding: it takes no mask.

    A mean over tokens is a mean over all of them then. Where the mask is needed for anything else the graph stays as it is.
    """
    import onnx
    from onnx import helper, numpy_helper
    from onnxruntime.transformers.onnx_model import OnnxModel

    model = OnnxModel(onnx.load(graph))
    for node in model.get_nodes_by_op_type("Attention"):
        node.input[3] = ""
    old = model.get_opset_version() < 18  # axes were an attribute
    for product in model.get_nodes_by_op_type("MatMul"):  # mask / number of tokens, times hidden states
        path = model.match_parent_path(product, ["Unsqueeze", "Div", "Cast"], [0, 0, 0])
        if path is None or path[-1].input[0] != MASK:
            continue
        hidden, mean = product.input[1], f"{product.name}_mean"
        if old:
            node = helper.make_node("ReduceMean", [hidden], list(product.output), name=mean, keepdims=1, axes=[1])
        else:
            axis = numpy_helper.from_array(np.array([1], dtype=np.int64), f"{mean}_axis")
            model.add_initializer(axis)
            node = helper.make_node("ReduceMean", [hidden, axis.name], list(product.output), name=mean, keepdims=1)
        model.add_node(node)
        model.remove_node(product)
    model.prune_graph()
    model.topological_sort()
    taken = [one.name for one in model.model.graph.input]
    return OnnxModel(onnx.load(graph)) if MASK in taken else model


def quantize(graph: Path, path: Path, per_channel: bool, reduce_range: bool, scratch: Path) -> None:
    """Write a fused graph with int8 weights to `path`: matrices, attention and embeddings.

    Activations are quantized over a batch, so texts are to be answered alone; what only batches need is left out.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    copy = scratch / "source.onnx"  # the quantizer writes a file beside its input
    with quiet():
        _without_mask(graph).save_model_to_file(str(copy))
        quantize_dynamic(
            copy, path, per_channel=per_channel, reduce_range=reduce_range, weight_type=QuantType.QInt8,
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},  # types behind fused operators can't be inferred
        )  # fmt: skip
