"""Weight-only quantization of an ONNX graph: weights in 4 bits, in blocks with one scale each, multiplied as int8 or fp32.

It rounds to nearest, symmetrically. Attention and embeddings must not be fused, see `onnx_graph`.
"""

from pathlib import Path

from pipeline.errors import OptimizationError
from pipeline.runtimes.onnx_graph import quiet

EMBEDDINGS, PRODUCTS = ("Gather",), ("MatMul", "Gather")  # operators whose weights get 4 bits
FOUR_BIT = {"Gather": "GatherBlockQuantized", "MatMul": "MatMulNBits"}
FEW = ("position_embeddings.weight", "token_type_embeddings.weight")  # a 4-bit look-up takes longer than of all others
INT8 = 4  # accuracy level: activations as int8, by blocks of a row, so a text does not depend on the others of its batch
FUSED = {"Gather": ("EmbedLayerNormalization", "layers"), "MatMul": ("Attention", "parts")}


def quantize_to_4_bits(graph: Path, path: Path, operators: tuple[str, ...], block: int = 32) -> dict[str, int]:
    """Write a graph with 4-bit weights to `path`, and return how many of each 4-bit operator it has.

    `block` weights share a scale. Raises OptimizationError where such weights are within a fused operator.
    """
    import onnx
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    model = onnx.load(graph)
    there = {node.op_type for node in model.graph.node}
    few = [node.name for node in model.graph.node if node.op_type == "Gather" and node.input[0].endswith(FEW)]
    for operator in operators:
        fused, how = FUSED[operator]
        if fused in there:
            raise OptimizationError(
                f"weights within the fused operator {fused} can't have 4 bits; set optim.steps.export.fuse={how}"
            )
    with quiet():
        quantizer = MatMulNBitsQuantizer(
            model, bits=4, block_size=block, is_symmetric=True, accuracy_level=INT8, op_types_to_quantize=operators,
            quant_axes=(("MatMul", 0), ("Gather", 1)), nodes_to_exclude=few,
        )  # fmt: skip
        quantizer.process()
    quantizer.model.save_model_to_file(str(path), False)
    written = [node.op_type for node in quantizer.model.graph().node]
    return {name: written.count(name) for name in (FOUR_BIT[operator] for operator in operators)}
