"""Compiled ahead of time: the same logits, loaded without transformers; what is not there or not code is one line."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import OptimizationError
from pipeline.runtimes.base import Description, load
from pipeline.steps import compile as step
from pipeline.system.cpu import has_bfloat16
from tests.conftest import Carried

pytestmark = pytest.mark.slow

COMPILER = any(map(shutil.which, step.COMPILERS))
COMPILED = ["backbone.teacher.finetune.epochs=1", "+step@optim.steps.compile=compile", "backbone.max_length=16"]


@pytest.mark.skipif(not COMPILER, reason="there is no C++ compiler")
def test_it_computes_what_torch_does_and_needs_no_transformers(carried: Carried, tmp_path: Path) -> None:
    made, context = carried(*COMPILED)
    source, compiled = (load(stage.artifact, 1) for stage in made.stages)
    texts = [*context.splits.test["text"], "x"]
    assert np.abs(source.logits(texts) - compiled.logits(texts)).max() < 1e-4
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


@pytest.mark.skipif(not (COMPILER and has_bfloat16()), reason="there is no C++ compiler, or the processor has no bfloat16")
def test_in_bfloat16_logits_are_near(carried: Carried) -> None:
    made, context = carried(*COMPILED, "optim.steps.compile.precision=bfloat16")
    source, compiled = (load(stage.artifact, 1).logits(list(context.splits.test["text"])) for stage in made.stages)
    assert 0 < np.abs(source - compiled).max() < 0.1 and compiled.dtype == np.float32


def test_without_a_compiler_or_bfloat16_it_is_one_line(carried: Carried, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "has_bfloat16", lambda: False)
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/c++")
    with pytest.raises(OptimizationError, match="has no bfloat16 instructions; set precision=float32"):
        carried(*COMPILED, "optim.steps.compile.precision=bfloat16")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(OptimizationError, match="there is no C\\+\\+ compiler"):
        carried(*COMPILED)
