"""Ranges measured beforehand: int8 that does not depend on the batch, and which products stay in fp32."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from pipeline.errors import ConfigError, OptimizationError
from pipeline.runtimes.base import Description, load
from pipeline.runtimes.onnx_folder import graph_of
from pipeline.runtimes.onnx_static import METHODS, StaticQuantization
from pipeline.steps.execute import StepsResult
from pipeline.steps.quantize_onnx_static import QuantizeOnnxStatic
from tests.conftest import LEARNED, Carried

pytestmark = pytest.mark.slow

STATIC = [
    "+step@optim.steps.export=export_onnx", "+step@optim.steps.quantize=quantize_onnx_static",
    "optim.steps.export.fuse=parts",
    "optim.steps.quantize.calibration_samples=16", *LEARNED,
]  # fmt: skip


def operators(made: StepsResult) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load(graph_of(made.artifact)).graph.node)


@pytest.mark.parametrize("method", METHODS)
def test_it_predicts_what_fp32_does_whatever_else_is_asked_with_it(carried: Carried, method: str) -> None:
    made, context = carried(*STATIC, f"optim.steps.quantize.method={method}")
    texts = list(context.splits.test["text"])
    fp32, int8 = (load(stage.artifact, 1) for stage in made.stages[-2:])
    logits, alone = int8.logits(texts), np.concatenate([int8.logits([text]) for text in texts])
    assert np.mean(logits.argmax(1) == fp32.logits(texts).argmax(1)) >= 0.9 and not np.array_equal(
        logits, fp32.logits(texts)
    )
    assert np.allclose(logits, alone, atol=1e-4)
    assert Description.read(made.artifact).batched
    assert operators(made)["DequantizeLinear"] > operators(made)["QuantizeLinear"] > 0


def test_ranges_are_of_training_texts_only(carried: Carried) -> None:
    made, context = carried(*STATIC)
    step = QuantizeOnnxStatic("quantize_onnx_static", calibration_samples=16)
    object.__setattr__(context, "source", made.stages[-2].artifact)
    measured, judged = step._texts(context)
    assert len(measured) == len(judged) == 16
    encode = load(made.stages[-2].artifact, 1).encode
    known = {encode([text])[0].tobytes() for text in context.splits.train["text"]}
    assert {inputs["input_ids"].tobytes() for inputs in (*measured, *judged)} <= known
    assert not {id(inputs) for inputs in measured} & {id(inputs) for inputs in judged}


def test_where_predictions_must_stay_the_most_sensitive_products_do_as_few_as_are_needed(
    carried: Carried, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.steps import quantize_onnx_static

    whole, _ = carried(*STATIC, "optim.steps.quantize.agreement=0")
    assert whole.metrics["quantize/kept_fp32"] == 0
    honest, calls = quantize_onnx_static._logits, list[int]()

    def disturbed(graph: Path, texts: Any) -> np.ndarray:
        """Networks with the classifier's own product in int8 answer wrongly."""
        logits = honest(graph, texts)
        nodes = onnx.load(graph).graph.node
        calls.append(1)
        head = next((node for node in nodes if node.name.endswith("/classifier/Gemm")), None)
        quantized = head is not None and "DequantizeLinear" in head.input[1]
        return -logits if quantized else logits

    monkeypatch.setattr(quantize_onnx_static, "_logits", disturbed)
    made, _ = carried(*STATIC, "optim.steps.quantize.agreement=0.9", "optim.steps.quantize.calibration_samples=15")
    assert made.metrics["quantize/kept_fp32"] == 1 and len(calls) > 10
    assert operators(made)["DequantizeLinear"] == operators(whole)["DequantizeLinear"] - 2  # its weights and what it takes


def test_where_every_product_must_stay_in_fp32_none_is_quantized(carried: Carried, tmp_path: Path) -> None:
    made, context = carried(*STATIC)
    fp32 = graph_of(made.stages[-2].artifact)
    encode = load(made.artifact, 1).encode
    some = [
        dict(zip(("input_ids", "attention_mask"), encode([text]), strict=True)) for text in context.splits.train["text"][:4]
    ]
    static = StaticQuantization(fp32, some, "minmax", 99.9, tmp_path)
    static.write(tmp_path / "kept.onnx", static.nodes, True, True)
    assert "DequantizeLinear" not in {node.op_type for node in onnx.load(tmp_path / "kept.onnx").graph.node}


def test_a_graph_with_fused_attention_is_refused_with_what_to_set(carried: Carried) -> None:
    with pytest.raises(OptimizationError, match=r"set optim\.steps.export\.fuse=parts"):
        carried(*STATIC, "optim.steps.export.fuse=all")


def test_wrong_settings_are_refused() -> None:
    for wrong in (
        {"method": "mean"},
        {"percentile": 40},
        {"calibration_samples": 0},
        {"agreement": 1.1},
        {"reduce_range": "yes"},
    ):
        with pytest.raises(ConfigError):
            QuantizeOnnxStatic("quantize_onnx_static", **wrong)
