"""Locks between the jobs of a user: any number of jobs can work at once, but a job measures alone on the machine.

A job holds a shared lock while it works and an exclusive lock while it measures, so no other job of this program disturbs a
latency. It releases its shared lock while it waits for another job. The locks of a killed process are free.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, ReadWriteLock, Timeout

from pipeline.system.places import temporary

log = logging.getLogger(__name__)
WAIT_S = 0.1
_shared_count = 0  # how many times this process holds the shared lock


def _lock() -> ReadWriteLock:
    return ReadWriteLock(temporary() / "turns.db")


def _acquire(acquire: Callable[..., object], message: str) -> None:
    """Acquire the lock; logs `message` if other processes hold it.

    It polls instead of letting SQLite wait: signals are not handled during that wait, and may be lost at its end.
    """
    logged = False
    while True:
        with contextlib.suppress(Timeout):
            acquire(timeout=0)
            return
        if not logged:
            log.info("%s", message)
            logged = True
        time.sleep(WAIT_S)


@contextlib.contextmanager
def shared() -> Iterator[None]:
    """Hold the shared lock, to work beside other jobs. Waits while another job measures."""
    global _shared_count
    lock = _lock()
    _acquire(lock.acquire_read, "waiting until another job has measured")
    _shared_count += 1
    try:
        yield
    finally:
        if _shared_count:  # an error inside `released` leaves 0
            _shared_count -= 1
            lock.release()


@contextlib.contextmanager
def released() -> Iterator[None]:
    """Release the shared lock while waiting, so that others can measure. After an error it is not acquired again."""
    global _shared_count
    count, _shared_count = _shared_count, 0
    lock = _lock()
    for _ in range(count):
        lock.release()
    yield
    for _ in range(count):
        _acquire(lock.acquire_read, "waiting until another job has measured")
    _shared_count = count


@contextlib.contextmanager
def exclusive() -> Iterator[None]:
    """Hold the exclusive lock, to measure. Waits until no other job works or measures."""
    with released():
        lock = _lock()
        _acquire(lock.acquire_write, "waiting until the other jobs on this machine pause, to measure alone")
        try:
            yield
        finally:
            lock.release()


@contextlib.contextmanager
def file_lock(path: Path, message: str) -> Iterator[None]:
    """Hold the lock of a file. Logs `message` if another process holds it; others can measure during that wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.info("%s", message)
        with released():
            lock.acquire()
    try:
        yield
    finally:
        lock.release()
