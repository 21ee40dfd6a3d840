"""Compiled ahead of time: the same logits, loaded without transformers; what is not there or not code is one line."""

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch._inductor import config as inductor
from transformers import BertConfig, BertForSequenceClassification

from pipeline.errors import OptimizationError
from pipeline.runtimes.base import Description, load
from pipeline.runtimes.torch import save
from pipeline.steps import compile as step
from pipeline.system.cpu import has_bfloat16
from tests.conftest import Carried
from tests.runtimes.test_compact import tiny_tokenizer
from tests.runtimes.test_declarations import check_declared

pytestmark = pytest.mark.slow

COMPILER = any(map(shutil.which, step.COMPILERS))
COMPILED = [
    "~optim.steps.finetune", "+step@optim.steps.load=load_checkpoint", "+step@optim.steps.compile=compile",
    "backbone.max_length=16",
]  # fmt: skip


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Overrides that compile a small network whose answers differ a lot from text to text."""
    directory, labels = tmp_path_factory.mktemp("network"), ["food", "music", "weather"]
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 48}
    names = {"id2label": dict(enumerate(labels)), "label2id": {label: i for i, label in enumerate(labels)}}
    model = BertForSequenceClassification(BertConfig(vocab_size=141, **names, **sizes)).eval()
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
    save(model, tiny_tokenizer(), Description("torch", labels, 16), directory)
    return [*COMPILED, f"optim.steps.load.checkpoint={directory}"]


@pytest.fixture(autouse=True)
def unoptimized() -> Iterator[None]:
    """The compiler optimizes nothing, which is several times as fast: what is computed is the subject, not how fast."""
    with inductor.patch({"aot_inductor.debug_compile": True}):
        yield


@pytest.mark.skipif(not COMPILER, reason="there is no C++ compiler")
def test_it_computes_what_torch_does_and_needs_no_transformers(carried: Carried, loaded: list[str], tmp_path: Path) -> None:
    made, context = carried(*loaded)
    source, compiled = (load(stage.artifact, 1) for stage in made.stages)
    texts = [*context.splits.test["text"], "x"]
    expected = source.logits(texts)
    assert np.abs(expected - compiled.logits(texts)).max() < 1e-3 * expected.std(axis=0).min()
    assert Description.read(made.artifact).runtime == "torch_compiled"
    code = (
        "import sys; from pathlib import Path; from pipeline.runtimes.base import load;"
        "print(load(Path(sys.argv[1]), 1).logits(['rain']).shape, 'transformers' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(made.artifact)], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("(1, 3) False")
    copy = Path(shutil.copytree(made.artifact, tmp_path / "copy"))
    with zipfile.ZipFile(copy / "model.pt2", "a") as package:
        package.writestr("m/data/weights/model.pkl", b"x")
    with pytest.raises(ValueError, match=r"contains m/data/weights/model\.pkl"):
        load(copy, 1)
    if not has_bfloat16():
        check_declared("torch_compiled", made.artifact, tmp_path)


@pytest.mark.skipif(not (COMPILER and has_bfloat16()), reason="there is no C++ compiler, or the processor has no bfloat16")
def test_in_bfloat16_logits_are_near_and_its_runtime_declares_all_that_is_asked_of_it(
    carried: Carried, loaded: list[str], tmp_path: Path
) -> None:
    made, context = carried(*loaded, "optim.steps.compile.precision=bfloat16")
    source, compiled = (load(stage.artifact, 1).logits(list(context.splits.test["text"])) for stage in made.stages)
    assert 0 < np.abs(source - compiled).max() < 0.1 * np.abs(source).max() and compiled.dtype == np.float32
    check_declared("torch_compiled", made.artifact, tmp_path)


def test_without_a_compiler_or_bfloat16_it_is_one_line(
    carried: Carried, loaded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step, "has_bfloat16", lambda: False)
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/c++")
    with pytest.raises(OptimizationError, match="has no bfloat16 instructions; set precision=float32"):
        carried(*loaded, "optim.steps.compile.precision=bfloat16")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(OptimizationError, match="there is no C\\+\\+ compiler"):
        carried(*loaded)
