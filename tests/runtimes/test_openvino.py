"""OpenVINO: it computes what torch does, in fp32, bfloat16 and int8; one line without the extra; no telemetry."""

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import OptimizationError
from pipeline.runtimes.base import load
from pipeline.steps import export_openvino
from pipeline.system.cpu import has_bfloat16
from tests.conftest import LEARNED, Carried

pytestmark = pytest.mark.slow

pytest.importorskip("openvino", reason="the extra openvino is not installed")
pytest.importorskip("nncf", reason="the extra openvino is not installed")
EXPORTED = [*LEARNED, "+step@optim.steps.export=export_openvino"]
QUANTIZED = [*EXPORTED, "+step@optim.steps.quantize=quantize_openvino", "optim.steps.quantize.calibration_samples=30"]


def test_it_computes_what_torch_does_on_texts_of_any_length_together_or_alone(carried: Carried) -> None:
    made, context = carried(*EXPORTED)
    source, exported = (load(stage.artifact, 1) for stage in made.stages)
    texts = [*context.splits.test["text"], "x", "a text that is longer than all of the others are, by far"]
    assert np.abs(source.logits(texts) - exported.logits(texts)).max() < 1e-4
    alone = np.concatenate([exported.logits([text]) for text in texts])
    assert np.allclose(alone, exported.logits(texts), atol=1e-4)


def test_bfloat16_is_near_where_the_processor_has_it_and_one_line_where_not(
    carried: Carried, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*EXPORTED, "optim.steps.export.precision=bf16"]
    monkeypatch.setattr(export_openvino, "has_bfloat16", lambda: False)
    with pytest.raises(OptimizationError, match="has no bfloat16 instructions; set precision=f32"):
        carried(*words)
    monkeypatch.undo()
    if has_bfloat16():
        made, context = carried(*words)
        source, exported = (load(stage.artifact, 1).logits(context.splits.test["text"]) for stage in made.stages)
        assert 0 < np.abs(source - exported).max() < 0.2


@pytest.mark.parametrize("max_drop", ["0.5", "null"])
def test_int8_is_smaller_and_predicts_the_same(carried: Carried, max_drop: str) -> None:
    made, context = carried(*QUANTIZED, f"optim.steps.quantize.max_drop={max_drop}")
    fp32, int8 = (stage.artifact for stage in made.stages[1:])
    texts = list(context.splits.test["text"])
    assert np.mean(load(fp32, 1).logits(texts).argmax(1) == load(int8, 1).logits(texts).argmax(1)) >= 0.9
    assert (int8 / "model.bin").stat().st_size < 0.5 * (fp32 / "model.bin").stat().st_size
    assert made.metrics["quantize/agreement"] >= 0.9


def test_without_the_extra_it_is_one_line(carried: Carried, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(OptimizationError, match="pip install"):
        carried(*EXPORTED)


def test_a_damaged_file_is_an_error_that_says_where(carried: Carried, tmp_path: Path) -> None:
    made, _ = carried(*EXPORTED)
    made.artifact.joinpath("model.xml").chmod(0o644)
    made.artifact.joinpath("model.xml").write_text("<net>")
    with pytest.raises(ValueError, match="the classifier can't be read"):
        load(made.artifact, 1)
    made.artifact.joinpath("model.bin").unlink()
    with pytest.raises(FileNotFoundError, match=r"model\.bin"):
        load(made.artifact, 1)


def test_its_telemetry_is_off() -> None:
    code = (
        "from pipeline.runtimes.openvino import library; library(); import sys, nncf;"
        "print(sys.modules['openvino_telemetry'], 'openvino.tools.ovc.telemetry_stub' in sys.modules)"
    )
    done: Any = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-2:] == ["None", "True"]


def test_it_leaves_the_programs_own_log_as_it_is(carried: Carried, caplog: pytest.LogCaptureFixture) -> None:
    carried(*QUANTIZED, "optim.steps.quantize.max_drop=null")
    logging.getLogger("pipeline.steps.shared.agreement").warning("still told")
    assert "still told" in caplog.text
