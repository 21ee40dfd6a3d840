"""A process of its own for a part of a job, so that one that fails, exits or is killed takes no other along.

On Linux it is forked from a server that has imported the libraries already and has not computed anything, so that a job
starts at once; elsewhere it is a fresh interpreter. It ends when the process that started it is gone.
"""

import logging
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any, NoReturn

from pipeline.system import locks
from pipeline.system.processes import is_gone

PRELOADED = [
    "pipeline.run",
    "pipeline.training.trainer",
    "pipeline.models.build",
    "pipeline.reporting.plots.tradeoff",
    "pipeline.evaluation.quality.scores",
    "mlflow.store.tracking.sqlalchemy_store",
    "pipeline.sweep.preload",
]
LONGEST_TMPDIR = 60  # the server's socket lies below it, and the path of a socket has 107 characters at most
WATCH_S = 1.0
PATIENCE_S = 30  # for a job to end well after a signal


def in_a_process(sweep: str, work: Callable[..., None], *arguments: Any) -> int:
    """Do the work, a function of a module, in a process that ends when this one or the one called `sweep` is gone.

    Returns its exit code; below 0, the signal that has killed it.
    """
    forked = sys.platform == "linux" and len(tempfile.gettempdir()) <= LONGEST_TMPDIR
    context: Any = multiprocessing.get_context("forkserver" if forked else "spawn")
    if forked:
        context.set_forkserver_preload(PRELOADED)
    process: BaseProcess = context.Process(target=_child, args=(sweep, work, *arguments), daemon=False)
    with locks.shared():  # the server's imports are work too
        process.start()
    try:
        process.join()
    except KeyboardInterrupt:  # a terminal sends it to the job too
        process.join(PATIENCE_S / 6)
        _end(process)
        raise
    except BaseException:
        _end(process)
        raise
    assert process.exitcode is not None
    return process.exitcode


def _end(process: BaseProcess) -> None:
    if process.is_alive():
        process.terminate()
        process.join(PATIENCE_S)
        process.kill()
        process.join()


def _child(sweep: str, work: Callable[..., None], *arguments: Any) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _terminated)
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("pipeline").setLevel(logging.INFO)
    threading.Thread(target=_end_with, args=(sweep,), daemon=True).start()
    work(*arguments)


def _terminated(number: int, frame: Any) -> NoReturn:
    raise SystemExit(128 + number)


def _end_with(sweep: str) -> None:
    """End this process as soon as the one that started it, or the sweep's, is gone."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    while parent.is_alive() and not is_gone(sweep):
        parent.join(WATCH_S)
    os.kill(os.getpid(), signal.SIGKILL)
