"""The files of `conf/step/` and the dataclasses behind them agree, and what is kept of a command has no password."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.commands.configuration.compose import shown_command
from pipeline.config import CONF, KINDS, Config, plain

FILES = sorted((CONF / "step").glob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_steps_file_has_the_defaults_of_its_dataclass(file: Path, compose: Callable[..., Config]) -> None:
    needed = [f"optim.steps.x.{name}=x" for name in ("checkpoint",) if f"{name}: ???" in file.read_text(encoding="utf-8")]
    step = compose("optim=baseline", f"+step@optim.steps.x={file.stem}", *needed).optim.steps["x"]
    given, defaults = plain(step), plain(KINDS["step"][file.stem]())
    for name in ("kind", "teacher", "checkpoint", "cheap", "better"):  # these have none
        given.pop(name, None), defaults.pop(name, None)
    assert given == defaults and given


def test_every_kind_of_step_has_a_file() -> None:
    assert {file.stem for file in FILES} == set(KINDS["step"])


def test_the_command_that_is_kept_has_no_password() -> None:
    kept = shown_command(["-m", "optim=baseline", "track.uri=http://ada:secret@example.org:5000", "data.name=a b"])
    assert kept == "python -m pipeline -m optim=baseline track.uri=http://example.org:5000 'data.name=a b'"
