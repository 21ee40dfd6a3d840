"""Texts on the command line stay as they are typed."""

import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import dispatch
from pipeline.commands.configuration.compose import configs, one_config, parse_arguments
from pipeline.commands.configuration.raw_text import keep_text
from tests.conftest import write_csv

WEIGHTS, TOKENIZER = "model.safetensors", "tokenizer.json"
FILES = ["data=files", "data.train=a.csv", "backbone=tiny"]


@pytest.mark.parametrize("value", ["1e3", "true", "None", "007"])
def test_a_label_is_the_text_that_was_typed(value: str) -> None:
    assert one_config([*FILES, f"data.oos_label={value}"]).data.oos_label == value


@pytest.mark.parametrize(
    ("word", "kept"),
    [
        ("data.train=2024.10", "data.train='2024.10'"),
        ("data.name=1e3", "data.name='1e3'"),
        ("data.text_column=1_0", "data.text_column='1_0'"),
        ("track.root=2024.10", "track.root='2024.10'"),
        ("backbone.teacher.revision=12e4567", "backbone.teacher.revision='12e4567'"),
        ("+optim.steps.load.revision=1e3", "+optim.steps.load.revision='1e3'"),
        ("optim.steps.distill.teacher.steps.load.checkpoint=1e3", "optim.steps.distill.teacher.steps.load.checkpoint='1e3'"),
        ("measure.query=true", "measure.query='true'"),
        ("decide.only=1e3", "decide.only='1e3'"),
        ("data.oos_label=1e3,oos,true", "data.oos_label='1e3',oos,'true'"),
        *((f"data.oos_label={value}", f"data.oos_label='{value}'") for value in ("FALSE", "1_000", "1.50", "NaN", "-0")),
        *((f"data.delimiter={mark}", f"data.delimiter='{mark}'") for mark in (",", ";", "|", "\t", " ")),
        ("data.label_separator=, ", "data.label_separator=','"),
        ("data.label_columns=[1e3,b]", "data.label_columns=['1e3',b]"),
        # what stays
        ("data.oos_label=null", "data.oos_label=null"),
        ("data.oos_label='1e3'", "data.oos_label='1e3'"),
        ("data.oos_label=1000", "data.oos_label=1000"),
        ("data.validation_fraction=1e-1", "data.validation_fraction=1e-1"),
        ("data.quoting=True", "data.quoting=True"),
        ("optim.steps.finetune.learning_rate=1e-4", "optim.steps.finetune.learning_rate=1e-4"),
        ("measure.again=True", "measure.again=True"),
        ("optim=1e3", "optim=1e3"),
        ("--cfg", "--cfg"),
    ],
)
def test_only_texts_that_hydra_would_change_are_quoted(word: str, kept: str) -> None:
    assert keep_text([word]) == [kept] and keep_text([kept]) == [kept]


def test_how_a_file_is_written_can_be_typed_as_it_is() -> None:
    data: Any = one_config(
        [*FILES, "data.delimiter=;", "data.text_column=1", "data.header=false", "data.train=a/*.csv"]
    ).data
    assert (data.delimiter, data.text_column, data.header, data.train) == (";", "1", False, "a/*.csv")


@pytest.mark.parametrize(
    "name",
    ["Überschrift", "is it (really) so", "what's", "a=b", "~/a#1.csv", "[x]'s.csv", "C:\\a\\", 'tick "one"', "a\\'b (2)"],
)
def test_names_that_hydra_can_not_read_are_texts_too(name: str) -> None:
    data: Any = one_config([*FILES, f"data.label_column={name}"]).data
    assert data.label_column == name
    if not {*name} & {*"[]'\"\\"}:
        data = one_config([*FILES, f"data.text_column=[{name},b]", f"data.label_columns=[{name} 2,c]"]).data
        assert (data.text_column, data.label_columns) == ((name, "b"), (f"{name} 2", "c"))


def test_a_sweep_over_labels_keeps_them_too() -> None:
    jobs = configs(parse_arguments(["-m", *FILES, "data.oos_label=1e3,true,oos"]))
    assert [job.config.data.oos_label for job in jobs] == ["1e3", "true", "oos"]


def test_a_run_gets_the_text_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = write_csv(tmp_path / "a.csv", [(f"text {i}", ("1e3", "1000.0")[i % 2]) for i in range(40)])
    seen = []
    monkeypatch.setattr(sys, "argv", ["pipeline"])
    monkeypatch.setattr("pipeline.run.run", lambda config: seen.append(config.data.load(1)))
    monkeypatch.chdir(tmp_path)
    dispatch(["data=files", f"data.train={train}", "data.oos_label=1e3", "backbone=tiny"])
    assert seen[0].labels[seen[0].oos] == "1e3"


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ("{}", None),
        ("{ }", None),
        ("null", None),
        ("{model.safetensors: ab, tokenizer.json: c}", {WEIGHTS: "ab", TOKENIZER: "c"}),
    ],
)
def test_checksums_can_be_cleared_and_changed(given: str, left: dict[str, str] | None) -> None:
    """Hydra would merge {} into those of the backbone."""
    override = f"backbone.teacher.sha256={given}"
    assert one_config(["backbone=minilm", override]).backbone.teacher.sha256 == left
    jobs = list(configs(parse_arguments(["-m", "backbone=minilm", "seed=1,2", override])))
    assert [job.config.backbone.teacher.sha256 for job in jobs] == [left, left]
