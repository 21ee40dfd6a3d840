"""Stages are made once, whole or not at all, by one process; a damaged one is noticed and made again."""

import contextlib
import logging
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.evaluation.latency.process import ROOT
from pipeline.steps.store import Recipe, Stage, Store

RECIPE = Recipe("copy", "f" * 64, {"kind": "copy"}, {"data": "d"})


def make(artifact: Path, scratch: Path) -> dict[str, Any]:
    (artifact / "weights").write_bytes(bytes(100))
    (artifact / "tokenizer").mkdir()
    (artifact / "tokenizer" / "vocab.txt").write_text("a b c")
    return {"curves": [1, 2]}


def never(artifact: Path, scratch: Path) -> dict[str, Any]:
    raise AssertionError("made again")


def stages_in(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "stages").iterdir() if not path.name.startswith("."))


def test_a_stage_is_made_once_and_then_reused(tmp_path: Path) -> None:
    made = Store(tmp_path).get_or_make(RECIPE, make)
    again = Store(tmp_path).get_or_make(RECIPE, never)
    assert not made.reused and again.reused
    assert again.manifest == made.manifest and again.manifest["notes"] == {"curves": [1, 2]}
    assert (again.artifact / "tokenizer" / "vocab.txt").read_text() == "a b c"
    assert stages_in(tmp_path) == [RECIPE.name]


def test_another_fingerprint_is_another_stage(tmp_path: Path) -> None:
    first = Store(tmp_path).get_or_make(RECIPE, make)
    second = Store(tmp_path).get_or_make(replace(RECIPE, fingerprint="e" * 64), make)
    assert not second.reused and first.directory != second.directory


@pytest.mark.parametrize("error", [RuntimeError("no luck"), KeyboardInterrupt(), SystemExit(143)])
def test_what_raises_leaves_no_stage_but_its_scratch(tmp_path: Path, error: BaseException) -> None:
    def fails(artifact: Path, scratch: Path) -> dict[str, Any]:
        make(artifact, scratch)
        (scratch / "progress").write_text("half")
        raise error

    def goes_on(artifact: Path, scratch: Path) -> dict[str, Any]:
        assert not list(artifact.iterdir())
        assert (scratch / "progress").read_text() == "half"
        return make(artifact, scratch)

    with pytest.raises(type(error)):
        Store(tmp_path).get_or_make(RECIPE, fails)
    assert stages_in(tmp_path) == []
    assert not Store(tmp_path).get_or_make(RECIPE, goes_on).reused
    assert not list((tmp_path / "stages" / ".work").iterdir())


def grow(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"!")


DAMAGE: dict[str, Callable[[Stage], object]] = {
    "weights has changed": lambda stage: (stage.artifact / "weights").write_bytes(bytes(99) + b"!"),
    "tokenizer/vocab.txt has changed": lambda stage: grow(stage.artifact / "tokenizer" / "vocab.txt"),
    "weights is missing": lambda stage: (stage.artifact / "weights").unlink(),
    "tokenizer/vocab.txt is missing": lambda stage: shutil.rmtree(stage.artifact),
    "extra.txt is not in its manifest": lambda stage: (stage.artifact / "extra.txt").write_text(""),
    "no readable manifest (FileNotFoundError)": lambda stage: (stage.directory / "manifest.json").unlink(),
    "no readable manifest (JSONDecodeError)": lambda stage: (stage.directory / "manifest.json").write_text('{"files": '),
    "no readable manifest (UnicodeDecodeError)": lambda stage: (stage.directory / "manifest.json").write_bytes(b"\xff\x00"),
    "no readable manifest (TypeError)": lambda stage: (stage.directory / "manifest.json").write_text("null"),
    "no readable manifest": lambda stage: (stage.directory / "manifest.json").write_text('{"files": []}'),
}


@pytest.mark.parametrize("problem", DAMAGE)
def test_a_damaged_stage_is_noticed_and_made_again(tmp_path: Path, problem: str, caplog: pytest.LogCaptureFixture) -> None:
    DAMAGE[problem](Store(tmp_path).get_or_make(RECIPE, make))
    with caplog.at_level(logging.WARNING):
        again = Store(tmp_path).get_or_make(RECIPE, make)
    assert not again.reused and RECIPE.name in caplog.text and problem in caplog.text
    assert Store(tmp_path).get_or_make(RECIPE, never).manifest["files"] == again.manifest["files"]


PROCESS = """
import logging, sys
from pathlib import Path
from pipeline.steps.store import Recipe, Store

logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(message)s")

def make(artifact, scratch):
    (artifact / "half").write_text("half")
    (scratch / "progress").write_text("half")
    print("making", flush=True)
    sys.stdin.readline()
    return {}

stage = Store(Path(sys.argv[1])).get_or_make(Recipe("copy", "f" * 64, {"kind": "copy"}, {"data": "d"}), make)
print("reused" if stage.reused else "made", flush=True)
"""


@contextlib.contextmanager
def process(root: Path) -> Iterator[subprocess.Popen[str]]:
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", PROCESS, str(root)]
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as running:
        try:
            yield running
        except BaseException:
            running.kill()  # it waits for a line that will not come
            raise


def line_of(running: subprocess.Popen[str]) -> str:
    assert running.stdout is not None
    return running.stdout.readline().strip()


@pytest.mark.slow
def test_of_two_processes_one_makes_the_stage_and_the_other_waits_and_reuses_it(tmp_path: Path) -> None:
    with process(tmp_path) as first:
        assert line_of(first) == "making"
        with process(tmp_path) as second:
            assert line_of(second) == f"{RECIPE.name}: waiting for the process that is making it"
            assert first.communicate("go on\n")[0] == "made\n"
            assert second.communicate()[0] == "reused\n"
    assert stages_in(tmp_path) == [RECIPE.name]


def test_a_process_killed_while_it_makes_a_stage_leaves_none_and_a_later_one_succeeds(tmp_path: Path) -> None:
    with process(tmp_path) as killed:
        assert line_of(killed) == "making"
        killed.send_signal(signal.SIGKILL)
    assert killed.returncode == -signal.SIGKILL and stages_in(tmp_path) == []
    assert (tmp_path / "stages" / ".work" / RECIPE.name / "scratch" / "progress").read_text() == "half"
    made = Store(tmp_path).get_or_make(RECIPE, make)
    assert not made.reused and "half" not in made.manifest["files"]
