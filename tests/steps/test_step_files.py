"""The files of `conf/step/` and the dataclasses behind them agree, and what is kept of a command has no password."""

import pytest

from pipeline.commands.configuration.compose import shown_command
from pipeline.config import CONF, KINDS, Step, plain
from tests.conftest import composed

FILES = sorted((CONF / "step").glob("*.yaml"))


@pytest.fixture(scope="module")
def steps() -> dict[str, Step]:
    """The step that each file makes, by the file's name; composed all at once."""
    added = [f"+step@optim.steps.x_{file.stem}={file.stem}" for file in FILES]
    needed = [f"optim.steps.x_{file.stem}.checkpoint=x" for file in FILES if "checkpoint: ???" in file.read_text("utf-8")]
    made = composed("optim=baseline", *added, *needed).optim.steps
    return {file.stem: made[f"x_{file.stem}"] for file in FILES}


@pytest.mark.parametrize("name", [file.stem for file in FILES])
def test_a_steps_file_has_the_defaults_of_its_dataclass(name: str, steps: dict[str, Step]) -> None:
    given, defaults = plain(steps[name]), plain(KINDS["step"][name]())
    for missing in ("kind", "teacher", "checkpoint", "cheap", "better"):  # these have none
        given.pop(missing, None), defaults.pop(missing, None)
    assert given == defaults and given


def test_every_kind_of_step_has_a_file() -> None:
    assert {file.stem for file in FILES} == set(KINDS["step"])


def test_the_command_that_is_kept_has_no_password() -> None:
    kept = shown_command(["-m", "optim=baseline", "track.uri=http://ada:secret@example.org:5000", "data.name=a b"])
    assert kept == "python -m pipeline -m optim=baseline track.uri=http://example.org:5000 'data.name=a b'"
