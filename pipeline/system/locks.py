"""Who may use the processor: any number of jobs of a user work at once, but one that measures is alone on the machine.

A job holds a shared lock while it works, and an exclusive one while it measures, so no latency is ever measured beside
another job of this program. It gives its shared lock back while it waits for another job. A kill frees them all.
"""

import contextlib
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, ReadWriteLock, Timeout

log = logging.getLogger(__name__)
WAIT_S = 0.1
_working = 0  # how often this process holds the shared lock


def _lock() -> ReadWriteLock:
    folder = Path(tempfile.gettempdir()) / f"pipeline-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return ReadWriteLock(folder / "turns.db")


def _acquire(acquire: Callable[..., object], waiting: str) -> None:
    """Get the lock; `waiting` is logged when others hold it.

    It is asked for again and again, and slept in between: a signal is not heard while SQLite waits, and one that comes as it
    tidies up is lost.
    """
    told = False
    while True:
        with contextlib.suppress(Timeout):
            acquire(timeout=0)
            return
        if not told:
            log.info("%s", waiting)
            told = True
        time.sleep(WAIT_S)


@contextlib.contextmanager
def shared() -> Iterator[None]:
    """Work, beside others that work; waits while one measures."""
    global _working
    lock = _lock()
    _acquire(lock.acquire_read, "waiting until another job has measured")
    _working += 1
    try:
        yield
    finally:
        if _working:  # an error while it rested has taken its turn away
            _working -= 1
            lock.release()


@contextlib.contextmanager
def released() -> Iterator[None]:
    """Let others measure meanwhile: for waiting. After an error nothing works on, so no new turn is waited for."""
    global _working
    held, _working = _working, 0
    lock = _lock()
    for _ in range(held):
        lock.release()
    yield
    for _ in range(held):
        _acquire(lock.acquire_read, "waiting until another job has measured")
    _working = held


@contextlib.contextmanager
def exclusive() -> Iterator[None]:
    """Measure: waits until no other job works or measures."""
    with released():
        lock = _lock()
        _acquire(lock.acquire_write, "waiting until the other jobs on this machine rest, to measure alone")
        try:
            yield
        finally:
            lock.release()


@contextlib.contextmanager
def held(path: Path, waiting: str) -> Iterator[None]:
    """A lock by name; `waiting` is logged when another process holds it, and others may measure meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.info("%s", waiting)
        with released():
            lock.acquire()
    try:
        yield
    finally:
        lock.release()
