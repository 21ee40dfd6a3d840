"""Who may use the processor: any number of jobs of a user work at once, but one that measures is alone on the machine.

A job holds a shared lock while it works, and an exclusive one while it measures, so no latency is ever measured beside
another job of this program. It gives its shared lock back while it waits for another job. A kill frees them all.
"""

import contextlib
import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, ReadWriteLock, Timeout

log = logging.getLogger(__name__)
_working = 0  # how often this process holds the shared lock


def _lock() -> ReadWriteLock:
    return ReadWriteLock(Path(tempfile.gettempdir()) / f"pipeline-turns-{os.getuid()}.db")


@contextlib.contextmanager
def working() -> Iterator[None]:
    """Work, beside others that work; waits while one measures."""
    global _working
    lock = _lock()
    try:
        lock.acquire_read(timeout=0)
    except Timeout:
        log.info("waiting until another job has measured")
        lock.acquire_read(timeout=-1)
    _working += 1
    try:
        yield
    finally:
        _working -= 1
        lock.release()


@contextlib.contextmanager
def resting() -> Iterator[None]:
    """Let others measure meanwhile: for waiting."""
    global _working
    held, _working = _working, 0
    lock = _lock()
    for _ in range(held):
        lock.release()
    try:
        yield
    finally:
        for _ in range(held):
            lock.acquire_read(timeout=-1)
        _working = held


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Measure: waits until no other job works or measures."""
    with resting():
        lock = _lock()
        try:
            lock.acquire_write(timeout=0)
        except Timeout:
            log.info("waiting until the other jobs on this machine rest, to measure alone")
            lock.acquire_write(timeout=-1)
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
        with resting():
            lock.acquire()
    try:
        yield
    finally:
        lock.release()
