"""Weights of an ONNX graph in 4 bits, in blocks with a scale each: they are small, and multiplied as int8 or fp32.

Round to nearest, symmetric. Attention and embeddings must not be fused, see `onnx_graph`.
"""

from pathlib import Path

from pipeline.errors import OptimizationError
from pipeline.runtimes.onnx_graph import quiet

EMBEDDINGS, PRODUCTS = ("Gather",), ("MatMul", "Gather")  # operators whose weights shrink
MADE = {"Gather": "GatherBlockQuantized", "MatMul": "MatMulNBits"}
POSITIONS = "position_embeddings.weight"  # few, and looking them up in 4 bits takes longer than all the rest of a look-up
INT8 = 4  # accuracy level: activations as int8, block by block of a row, so a text's do not depend on its neighbours
FUSED = {"Gather": ("EmbedLayerNormalization", "layers"), "MatMul": ("Attention", "parts")}


def shrink(graph: Path, path: Path, operators: tuple[str, ...], block: int = 32) -> dict[str, int]:
    """Write a graph with 4-bit weights to `path`; `block`: weights that share a scale. How many of each operator it has now.

    Raises OptimizationError where such weights are within a fused operator.
    """
    import onnx
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    model = onnx.load(graph)
    there = {node.op_type for node in model.graph.node}
    few = [node.name for node in model.graph.node if node.op_type == "Gather" and node.input[0].endswith(POSITIONS)]
    for operator in operators:
        fused, how = FUSED[operator]
        if fused in there:
            raise OptimizationError(f"weights within {fused} can't have 4 bits; set optim.steps.export.fuse={how}")
    with quiet():
        quantizer = MatMulNBitsQuantizer(
            model, bits=4, block_size=block, is_symmetric=True, accuracy_level=INT8, op_types_to_quantize=operators,
            quant_axes=(("MatMul", 0), ("Gather", 1)), nodes_to_exclude=few,
        )  # fmt: skip
        quantizer.process()
    quantizer.model.save_model_to_file(str(path), False)
    made = [node.op_type for node in quantizer.model.graph().node]
    return {name: made.count(name) for name in (MADE[operator] for operator in operators)}
