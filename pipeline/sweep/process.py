"""Runs a part of a job in its own process, so that one that fails, exits or is killed does not affect the others.

On Linux the process is forked from a server that has imported the libraries but has not computed anything, so it starts at
once. On other systems it is a new interpreter. It ends when the process that started it is gone.
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

PRELOADED_MODULES = [
    "pipeline.run",
    "pipeline.training.trainer",
    "pipeline.models.build",
    "pipeline.reporting.plots.tradeoff",
    "pipeline.tasks.scores",
    "mlflow.store.tracking.sqlalchemy_store",
    "pipeline.sweep.preload",
]
MAX_TMPDIR_LENGTH = 60  # the server's socket is inside it, and the path of a socket has at most 107 characters
POLL_S = 1.0
TERMINATE_TIMEOUT_S = 30  # how long a job may take to exit after SIGTERM


def run_in_process(sweep_process: str, function: Callable[..., None], *arguments: Any) -> int:
    """Call a module-level function in a new process and wait for it. Returns its exit code; -n if signal n has killed it.

    The new process ends when this one or `sweep_process` is gone (see `pipeline.system.processes.this_process`).
    """
    forked = sys.platform == "linux" and len(tempfile.gettempdir()) <= MAX_TMPDIR_LENGTH
    context: Any = multiprocessing.get_context("forkserver" if forked else "spawn")
    if forked:
        context.set_forkserver_preload(PRELOADED_MODULES)
    process: BaseProcess = context.Process(target=_child_main, args=(sweep_process, function, *arguments), daemon=False)
    with locks.shared():  # the server imports libraries now, which would disturb a measurement
        process.start()
    try:
        process.join()
    except KeyboardInterrupt:  # a terminal sends Ctrl-C to the job too
        process.join(TERMINATE_TIMEOUT_S / 6)
        _terminate(process)
        raise
    except BaseException:
        _terminate(process)
        raise
    assert process.exitcode is not None
    return process.exitcode


def _terminate(process: BaseProcess) -> None:
    if process.is_alive():
        process.terminate()
        process.join(TERMINATE_TIMEOUT_S)
        process.kill()
        process.join()


def _child_main(sweep_process: str, function: Callable[..., None], *arguments: Any) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _on_sigterm)
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("pipeline").setLevel(logging.INFO)
    threading.Thread(target=_exit_with_parent, args=(sweep_process,), daemon=True).start()
    function(*arguments)


def _on_sigterm(number: int, frame: Any) -> NoReturn:
    raise SystemExit(128 + number)


def _exit_with_parent(sweep_process: str) -> None:
    """Kill this process as soon as its parent or the sweep's process is gone."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    while parent.is_alive() and not is_gone(sweep_process):
        parent.join(POLL_S)
    os.kill(os.getpid(), signal.SIGKILL)
