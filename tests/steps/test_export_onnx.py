"""Where a fused graph computes something else than torch, less is fused; what was fused is told."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from pipeline.errors import OptimizationError
from pipeline.models.outline import Outline
from pipeline.runtimes import onnx_graph
from pipeline.runtimes.base import load
from pipeline.runtimes.onnx_folder import operators_of
from pipeline.runtimes.torch import read
from pipeline.steps import export_onnx
from tests.conftest import Carried

pytestmark = pytest.mark.slow

TEXTS = ["rain tomorrow", "play a song about rain, and then another one"]


def spoiled(graph: Any, how: str, family: str) -> Any:
    """With everything fused, the optimizer fails; with layers fused, it changes the classifier."""
    if how == "all":
        raise RuntimeError("an unexpected node\nand more")
    fused = honest(graph, how, family)
    if how == "layers":
        (bias,) = (tensor for tensor in fused.model.graph.initializer if tensor.name.endswith("classifier.bias"))
        bias.CopyFrom(onnx.numpy_helper.from_array(np.array([5, 0, -5], dtype=np.float32), bias.name))
    return fused


honest = onnx_graph._fused


@pytest.fixture
def exported(carried: Carried, tmp_path: Path) -> Callable[..., tuple[Path, Path, dict[str, Any]]]:
    """The setting `fuse` -> the torch artifact, its export, and the step's notes; no other test gets this export."""

    def make(fuse: str = "all") -> tuple[Path, Path, dict[str, Any]]:
        made, context = carried()
        for name in ("artifact", "scratch"):
            (tmp_path / name).mkdir()
        step, given = export_onnx.ExportOnnx("export_onnx", fuse=fuse), replace(context, source=made.artifact)
        return made.artifact, tmp_path / "artifact", step.make(given, tmp_path / "artifact", tmp_path / "scratch")

    return make


Exported = Callable[..., tuple[Path, Path, dict[str, Any]]]


def test_less_is_fused_until_the_graph_computes_what_torch_computes(
    exported: Exported, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(onnx_graph, "_fused", spoiled)
    with caplog.at_level("INFO"):
        before, after, notes = exported()
    assert notes["fuse"] == "parts" and "Attention" not in notes["fused"] and notes["fused"]["LayerNormalization"] > 0
    first, second = (record.getMessage() for record in caplog.records if record.levelname == "WARNING")
    assert first == "warning: fuse=all: ONNX Runtime can't fuse this graph (RuntimeError: an unexpected node)"
    assert second.startswith("warning: fuse=layers: the exported network differs from torch") and "\n" not in second
    assert second.endswith("; less is fused now")
    assert "fused for ONNX Runtime (fuse=parts): " in caplog.text
    np.testing.assert_allclose(load(after, 1).logits(TEXTS), load(before, 1).logits(TEXTS), atol=1e-4)


def test_an_architecture_whose_fusion_is_not_known_is_not_fused_and_its_parity_is_checked(
    exported: Exported, carried: Carried, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(export_onnx, "architecture_of", lambda config: None)
    with caplog.at_level("INFO"):
        before, after, notes = exported()
    assert notes["fuse"] == "none" and notes["metrics"]["export/max_difference"] < 1e-4
    assert "fused for ONNX Runtime (fuse=none): nothing" in caplog.text
    assert not {"Attention", "BiasGelu", "EmbedLayerNormalization"} & operators_of(after)
    planned = export_onnx.ExportOnnx("export_onnx").check(carried()[1], Outline(network=read(before)), {})
    assert planned is not None and planned.fuse == "none"


def test_where_even_the_graph_of_which_nothing_is_fused_differs_it_is_an_error(
    exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    def differs(model: Any, exported: Any, context: Any, advice: str) -> dict[str, float]:
        raise OptimizationError(f"it differs; {advice}")

    monkeypatch.setattr(export_onnx, "compare_with_torch", differs)
    with pytest.raises(OptimizationError, match=r"it differs; use export_openvino or compile instead of export_onnx$"):
        exported("parts")
