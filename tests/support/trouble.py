"""In a sweep's processes: jobs that go wrong in every way, and what is logged.

The one-line `sitecustomize.py` of a place calls `register` in each of them, so this module imports nothing that is slow.
"""

import contextlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pipeline.config import Step, kind
from pipeline.errors import OptimizationError
from tests.support import forked
from tests.support.sweeping import entries
from tests.support.waiting import wait_for

PLACE = Path(os.environ.get("PLACE", ""))


@dataclass(frozen=True)
class Trouble(Step):
    """A step that goes wrong, whose artifact can't be loaded, or that waits until the file `go` is there."""

    how: str = "raise"

    code_version: ClassVar[int] = 1
    takes: ClassVar[tuple[str, ...]] = ("onnx", "calibrated")
    gives: ClassVar[str] = "onnx"

    def inputs(self, context: Any) -> dict[str, Any]:
        return {}

    def make(self, context: Any, artifact: Path, scratch: Path) -> dict[str, Any]:
        match self.how:
            case "mistake":
                raise OptimizationError("it can't be done;\nchoose another step")
            case "raise":
                raise RuntimeError("out of luck\nand of patience")
            case "exit":
                sys.exit(3)
            case "_exit":
                os._exit(4)
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
        shutil.copytree(context.source, artifact, dirs_exist_ok=True)
        if self.how == "broken":
            (artifact / "onnx/model.onnx").write_bytes(b"")
        else:
            wait_here(lambda: (PLACE / "go").exists())
        return {}


def register() -> None:
    """Make the step known, and log when each stage is made and when something is measured."""
    from pipeline.steps.store import Make, Recipe, Stage, Store
    from pipeline.system import locks

    kind("step", "trouble")(Trouble)
    make, alone = Store._make, locks.exclusive

    def logged_make(store: Store, recipe: Recipe, how: Make) -> Stage:
        with logged(recipe.name):
            return make(store, recipe, how)

    @contextlib.contextmanager
    def logged_alone() -> Iterator[None]:
        with alone(), logged("measuring"):
            wait_here(lambda: not (PLACE / "hold").exists() or len(measured()) < int((PLACE / "hold").read_text()))
            yield

    forked.workers().start()
    Store._make = logged_make  # type: ignore[method-assign, assignment]
    locks.exclusive = logged_alone


def wait_here(until: Callable[[], bool]) -> None:
    """Wait in the middle of something, and tell so."""
    if not until():
        (PLACE / "waiting").write_text(str(os.getpid()))
        wait_for(until)


def measured() -> set[int]:
    """The other processes that have measured; as many as the file `hold` says may, before one waits until that is gone."""
    return {entry["process"] for entry in entries(PLACE) if entry["what"] == "measuring"} - {os.getpid()}


@contextlib.contextmanager
def logged(what: str) -> Iterator[None]:
    """Append what was done, by whom, from when to when (the clock is the same in every process)."""
    start = time.monotonic()
    yield
    line = json.dumps({"what": what, "process": os.getpid(), "start": start, "end": time.monotonic()})
    with (PLACE / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write(line + "\n")
