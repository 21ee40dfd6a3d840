"""What processes do that take turns, in tests of locks. It is imported in each of them, so it imports nothing slow."""

import json
import os
import signal
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from pipeline.system import locks


def call_in(directory: str, target: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    """Call a function; the directory of temporary files, in which the lock lies, is this one."""
    os.environ["TMPDIR"], tempfile.tempdir = directory, None
    target(*arguments)


def hold(kind: str, path: Path) -> None:
    """Write "asks" and then, once it is this process's turn, "holds" to a file; until that file is gone."""
    signal.signal(signal.SIGTERM, _exit)
    path.write_text("asks")
    turn: AbstractContextManager[None] = locks.exclusive() if kind == "alone" else locks.shared()
    with turn:
        path.write_text("holds")
        while path.exists():
            time.sleep(0.01)


def _exit(number: int, frame: object) -> None:
    raise SystemExit(128 + number)


def measure_while_named(lock: Path, path: Path) -> None:
    """Measure while holding a lock by name."""
    with locks.shared(), locks.file_lock(lock, "waiting"):
        path.write_text("asks")
        while path.exists():
            time.sleep(0.01)
        with locks.exclusive():
            path.write_text("holds")


def take_turns(times: int, path: Path) -> None:
    """Work and measure in turns; write down when."""
    with path.open("w", encoding="utf-8") as file:
        for _ in range(times):
            with locks.shared():
                _logged(file.write, "working")
                with locks.exclusive():
                    _logged(file.write, "alone")


def _logged(write: Callable[[str], object], kind: str) -> None:
    start = time.monotonic()
    time.sleep(0.03)
    write(json.dumps([kind, start, time.monotonic()]) + "\n")
