"""What `pipeline/steps/README.md` promises: an optimization is one file, a technique two; its examples run as printed."""

import importlib
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import pipeline.steps
from pipeline.commands.configuration.compose import configs, parse_arguments
from pipeline.config import KINDS, Config
from pipeline.models.layers import layer_list
from pipeline.runtimes.base import load
from pipeline.runtimes.torch import read
from pipeline.steps.base import Context
from pipeline.steps.execute import StepsResult, check_order, run_steps
from pipeline.steps.store import Store
from tests.conftest import small

README = Path(pipeline.steps.__file__).with_name("README.md")
Run = Callable[..., tuple[StepsResult, Config]]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory for `--config-dir`."""
    for group in ("optim", "step"):
        (tmp_path / "place" / group).mkdir(parents=True)
    return tmp_path / "place"


@pytest.fixture
def run(place: Path, root: Path, toy_csv: Path) -> Run:
    """Overrides -> what the steps make on the tiny network."""

    def made(*overrides: str) -> tuple[StepsResult, Config]:
        arguments = ["--config-dir", str(place), *overrides, *small(root, toy_csv)]
        config = next(configs(parse_arguments(arguments))).config
        check_order(config.optim, config.backbone)
        return run_steps(config.optim, Context(config.data.load(0), config.backbone, 0), Store(root)), config

    return made


def example(language: str, mark: str) -> str:
    """The one block of the README in this language that has this text."""
    blocks = re.findall(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    (block,) = [block for block in blocks if mark in block]
    return str(block)


def test_an_optimization_is_one_file(place: Path, run: Run) -> None:
    (place / "optim" / "short_distillation.yaml").write_text(example("yaml", "name: short_distillation"))
    made, config = run("optim=short_distillation", "backbone.teacher.finetune.epochs=1")
    assert config.optim.name == "short_distillation"
    assert [len(curve) for curve in made.curves.values()] == [2], "epochs of its one training"
    assert load(made.artifact, 1).logits(["rain tomorrow"]).shape == (1, 3)


def test_a_technique_is_a_module_and_a_file_of_defaults(
    place: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "drop_layers.py").write_text(example("python", "class DropLayers"))
    (place / "step" / "drop_layers.yaml").write_text(example("yaml", "kind: drop_layers"))
    monkeypatch.setitem(KINDS, "step", dict(KINDS["step"]))  # what the module registers is forgotten afterwards
    monkeypatch.setattr(pipeline.steps, "__path__", [*pipeline.steps.__path__, str(tmp_path)])
    monkeypatch.setitem(sys.modules, "pipeline.steps.drop_layers", None)  # so that it is removed afterwards
    del sys.modules["pipeline.steps.drop_layers"]
    importlib.import_module("pipeline.steps.drop_layers")

    made, _ = run("optim=baseline", "backbone.teacher.finetune.epochs=1", "+step@optim.steps.drop=drop_layers")
    before, after = (read(stage.artifact) for stage in made.stages)
    assert len(layer_list(after)) == len(layer_list(before)) - 1 == made.metrics["drop_layers/left"]
    assert load(made.artifact, 1).logits(["rain tomorrow"]).shape == (1, 3)
    again, _ = run("optim=baseline", "backbone.teacher.finetune.epochs=1", "+step@optim.steps.drop=drop_layers")
    assert all(stage.reused for stage in again.stages)
