"""Weights in 4 bits: how small they are, that they are near, and that fused ones are refused."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from pipeline.errors import OptimizationError
from pipeline.runtimes.base import Description, load
from pipeline.runtimes.onnx_folder import graph_of
from tests.conftest import LEARNED, Carried

pytestmark = pytest.mark.slow

WEIGHTS = [
    "+step@optim.steps.export=export_onnx", "+step@optim.steps.quantize=quantize_onnx_weight_only",
    "optim.steps.export.fuse=parts",
    "optim.steps.quantize.block=16", *LEARNED,
]  # fmt: skip
EMBEDDINGS = [
    "+step@optim.steps.export=export_onnx", "+step@optim.steps.quantize=quantize_onnx_dynamic",
    "optim.steps.export.fuse=layers",
    "optim.steps.quantize.embedding_bits=4", *LEARNED,
]  # fmt: skip


def test_products_and_embeddings_take_half_a_byte_each_and_predictions_stay(carried: Carried) -> None:
    made, context = carried(*WEIGHTS)
    fp32, small = (stage.artifact for stage in made.stages[-2:])
    texts = list(context.splits.test["text"])
    assert np.mean(load(small, 1).logits(texts).argmax(1) == load(fp32, 1).logits(texts).argmax(1)) >= 0.9
    alone = np.concatenate([load(small, 1).logits([text]) for text in texts])
    assert np.allclose(alone, load(small, 1).logits(texts), atol=1e-4) and Description.read(small).batched
    before, after = (
        {t.name: numpy_helper.to_array(t) for t in onnx.load(graph_of(a)).graph.initializer} for a in (fp32, small)
    )
    shrunk = [values.size for name, values in before.items() if name not in after and values.ndim == 2]
    nibbles = [
        values.size * (2 if values.dtype == np.uint8 else 1) for values in after.values() if values.dtype.itemsize == 1
    ]
    assert len(shrunk) == 13, "all but the positions"
    assert sum(nibbles) == sum(shrunk)  # bytes hold two weights each, tables count one by one


def test_embeddings_alone_have_4_bits_and_all_else_int8(carried: Carried) -> None:
    made, context = carried(*EMBEDDINGS)
    whole, _ = carried(*(word for word in EMBEDDINGS if "fuse" not in word and "bits" not in word))
    kinds = {node.op_type for node in onnx.load(graph_of(made.artifact)).graph.node}
    assert {"GatherBlockQuantized", "QAttention"} <= kinds and "MatMulNBits" not in kinds
    texts = list(context.splits.test["text"])
    answers = [load(artifact, 1).logits(texts).argmax(1) for artifact in (made.stages[0].artifact, made.artifact)]
    assert np.mean(answers[0] == answers[1]) >= 0.9
    sizes = [
        len(table.raw_data)
        for each in (made, whole)
        for table in onnx.load(graph_of(each.artifact)).graph.initializer
        if "word_embeddings" in table.name and len(table.dims) == 2 and len(table.raw_data) > 100
    ]
    assert sizes[0] < 0.75 * sizes[-1]


@pytest.mark.parametrize(("words", "how"), [(WEIGHTS, "parts"), (EMBEDDINGS, "layers")])
def test_what_is_fused_is_refused_with_what_to_set(carried: Carried, words: list[str], how: str) -> None:
    with pytest.raises(OptimizationError, match=f"set optim.steps.export.fuse={how}"):
        carried(*words, "optim.steps.export.fuse=all")
