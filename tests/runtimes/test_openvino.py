"""OpenVINO: it computes what torch does, in fp32, bfloat16 and int8; one line without the extra; no telemetry."""

import logging
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import OptimizationError
from pipeline.runtimes.base import load
from pipeline.steps import export_openvino
from pipeline.steps.base import Context
from pipeline.steps.execute import StepsResult, run_steps
from pipeline.steps.store import Store
from pipeline.system.cpu import has_bfloat16
from tests.conftest import LEARNED, Carried, composed, small, with_trained, write_csv

needed = pytest.mark.skipif(not all(map(find_spec, ("openvino", "nncf"))), reason="the extra openvino is not installed")
pytestmark = [pytest.mark.slow, needed]  # nothing is imported here: the program switches off telemetry before it imports

EXPORTED = [*LEARNED, "+step@optim.steps.export=export_openvino"]
QUANTIZED = [*EXPORTED, "+step@optim.steps.quantize=quantize_openvino", "optim.steps.quantize.calibration_samples=30"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, toy_rows: list[tuple[str, str]], trained: Path) -> Carried:
    """Overrides -> what optim=baseline makes with further steps; the network is trained and exported once."""
    folder = tmp_path_factory.mktemp("openvino")
    data = small(folder, write_csv(folder / "toy.csv", toy_rows))

    def make(*overrides: str) -> tuple[StepsResult, Context]:
        config = composed("optim=baseline", *data, *overrides)
        context = Context(config.data.load(0), config.backbone, 0)
        store = Store(folder) if (folder / "stages").exists() else with_trained(config.optim, context, trained, folder)
        return run_steps(config.optim, context, store), context

    return make


def test_it_computes_what_torch_does_on_texts_of_any_length_together_or_alone(made: Carried) -> None:
    found, context = made(*EXPORTED)
    source, exported = (load(stage.artifact, 1) for stage in found.stages)
    texts = [*context.splits.test["text"], "x", "a text that is longer than all of the others are, by far"]
    assert np.abs(source.logits(texts) - exported.logits(texts)).max() < 1e-4
    alone = np.concatenate([exported.logits([text]) for text in texts])
    assert np.allclose(alone, exported.logits(texts), atol=1e-4)


def test_bfloat16_is_near_where_the_processor_has_it_and_one_line_where_not(
    made: Carried, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*EXPORTED, "optim.steps.export.precision=bf16"]
    monkeypatch.setattr(export_openvino, "has_bfloat16", lambda: False)
    with pytest.raises(OptimizationError, match="has no bfloat16 instructions; set precision=f32"):
        made(*words)
    monkeypatch.undo()
    if has_bfloat16():
        found, context = made(*words)
        source, exported = (load(stage.artifact, 1).logits(context.splits.test["text"]) for stage in found.stages)
        assert 0 < np.abs(source - exported).max() < 0.2


@pytest.mark.parametrize("max_drop", ["0.5", "null"])
def test_int8_is_smaller_and_predicts_the_same_and_the_programs_log_and_telemetry_are_as_they_were(
    made: Carried, max_drop: str, caplog: pytest.LogCaptureFixture
) -> None:
    found, context = made(*QUANTIZED, f"optim.steps.quantize.max_drop={max_drop}")
    fp32, int8 = (stage.artifact for stage in found.stages[1:])
    texts = list(context.splits.test["text"])
    assert np.mean(load(fp32, 1).logits(texts).argmax(1) == load(int8, 1).logits(texts).argmax(1)) >= 0.9
    assert (int8 / "model.bin").stat().st_size < 0.5 * (fp32 / "model.bin").stat().st_size
    assert found.metrics["quantize/agreement"] >= 0.9
    logging.getLogger("pipeline.steps.shared.agreement").warning("still told")
    assert "still told" in caplog.text, "NNCF leaves the program's log as it is"
    assert sys.modules["openvino_telemetry"] is None and "openvino.tools.ovc.telemetry_stub" in sys.modules
    assert "nncf" in sys.modules


def test_without_the_extra_it_is_one_line(made: Carried, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(OptimizationError, match="pip install"):
        made(*EXPORTED)


def test_a_damaged_file_is_an_error_that_says_where(made: Carried, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(made(*EXPORTED)[0].artifact, tmp_path / "copy"))
    copy.joinpath("model.xml").chmod(0o644)
    copy.joinpath("model.xml").write_text("<net>")
    with pytest.raises(ValueError, match="the classifier can't be read"):
        load(copy, 1)
    copy.joinpath("model.bin").unlink()
    with pytest.raises(FileNotFoundError, match=r"model\.bin"):
        load(copy, 1)
