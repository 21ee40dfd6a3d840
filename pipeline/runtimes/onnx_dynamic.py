"""Dynamic quantization of an ONNX graph: int8 weights; activations are quantized while it runs."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.runtimes.onnx_graph import quiet

MASK = "attention_mask"


def _remove_mask(graph: Path) -> Any:
    """A fused graph without a mask, for single texts, which have no padding: it takes one row only.

    A mean over the masked tokens becomes a mean over all tokens. Where something else needs the mask, the graph stays as it
    is, and takes batches.
    """
    import onnx
    from onnx import helper, numpy_helper
    from onnxruntime.transformers.onnx_model import OnnxModel

    model = OnnxModel(onnx.load(graph))
    for node in model.get_nodes_by_op_type("Attention"):
        node.input[3] = ""
    old = model.get_opset_version() < 18  # before opset 18, axes were an attribute
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
    if MASK in taken:
        return OnnxModel(onnx.load(graph))
    for value in (*model.model.graph.input, *model.model.graph.output):  # otherwise padding would be read as text
        value.type.tensor_type.shape.dim[0].dim_value = 1
    return model


def quantize(graph: Path, path: Path, per_channel: bool, reduce_range: bool, scratch: Path, batched: bool = False) -> None:
    """Write a fused graph with int8 weights (matrices, attention and embeddings) to `path`.

    Activations are quantized over a batch, so texts that share one change each other's logits a little. Unless `batched`,
    the graph takes one text at a time and leaves out what only batches need.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    copy = scratch / "source.onnx"  # the quantizer writes a file beside its input
    with quiet():
        if batched:
            shutil.copy(graph, copy)
        else:
            _remove_mask(graph).save_model_to_file(str(copy))
        quantize_dynamic(
            copy, path, per_channel=per_channel, reduce_range=reduce_range, weight_type=QuantType.QInt8,
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},  # ONNX can't infer the types after fused operators
        )  # fmt: skip
