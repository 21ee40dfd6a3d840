"""Checkpoints that must be refused: with code beside them, without a head, with too few positions."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from safetensors.torch import load_file, save_file

from pipeline.config import Backbone
from pipeline.models.build import checkpoint, start
from tests.models.test_build import WEIGHTS, at, bert, problem, saved

LABELS = ["a", "b", "c"]


def changed(directory: Path, **settings: Any) -> Path:
    file = directory / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | settings))
    return directory


def test_code_that_lies_with_a_checkpoint_is_not_run_and_nobody_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = saved(tmp_path / "own", bert(2))
    changed(
        directory, model_type="evil", auto_map={"AutoConfig": "evil.Evil", "AutoModelForSequenceClassification": "evil.Evil"}
    )
    (directory / "evil.py").write_text(f"open({str(tmp_path / 'was_run')!r}, 'w')\nclass Evil: pass\n")
    always_yes = mock.Mock(return_value="y")
    monkeypatch.setattr("builtins.input", always_yes)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 9))
    for use in (lambda: start(at(directory), "teacher", ["a", "b"], 0), lambda: checkpoint(directory, ["a", "b"])):
        assert problem(use)
    assert not always_yes.called and not (tmp_path / "was_run").exists()


def test_a_checkpoint_without_a_head_is_refused(tmp_path: Path) -> None:
    directory = saved(tmp_path / "own", bert(2))
    weights = {name: tensor for name, tensor in load_file(directory / WEIGHTS).items() if not name.startswith("classifier")}
    save_file(weights, directory / WEIGHTS, metadata={"format": "pt"})
    assert "classifier" in problem(lambda: checkpoint(directory, LABELS))


def test_two_labels_of_one_name_are_refused(tmp_path: Path) -> None:
    directory = changed(saved(tmp_path / "own", bert(2)), id2label={"0": "a", "1": "b", "2": "b"}, label2id={"a": 0, "b": 2})
    assert "same name" in problem(lambda: checkpoint(directory, ["a", "b"]))


def test_texts_longer_than_the_network_has_positions_are_refused(tmp_path: Path) -> None:
    directory = saved(tmp_path / "own", bert(2))  # it has 16
    backbone: Backbone = replace(at(directory), max_length=17)
    assert "max_length=17" in problem(lambda: start(backbone, "teacher", LABELS, 0))
    assert "max_length=17" in problem(lambda: checkpoint(directory, LABELS, 17))
    assert checkpoint(directory, LABELS, 16)
