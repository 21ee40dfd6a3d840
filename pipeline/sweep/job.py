"""One job of a sweep, in a process of its own.

On Linux it is forked from a server that has imported the libraries already and has not computed anything, so that a job
starts at once; elsewhere it is a fresh interpreter. It ends when the process that started it is gone.
"""

import logging
import math
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from dataclasses import replace
from multiprocessing.process import BaseProcess
from typing import Any, NoReturn

from pipeline import turns
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.processes import is_gone, signal_of
from pipeline.sweep.record import Record, Status, identity

log = logging.getLogger(__name__)
PRELOADED = [
    "pipeline.run",
    "pipeline.training",
    "pipeline.backbone.models",
    "pipeline.plot",
    "pipeline.measure.quality",
    "mlflow.store.tracking.sqlalchemy_store",
    "pipeline.sweep.warm",
]
LONGEST_TMPDIR = 60  # the server's socket lies below it, and the path of a socket has 107 characters at most
WATCH_S = 1.0
PATIENCE_S = 30  # for a job to end well after a signal


def carry_out(config: Config) -> tuple[float, ...]:
    """Run the job, unless it was finished before the sweep was killed; returns its objective, NaN where it failed."""
    number = config.sweep.job
    assert config.sweep.id is not None and number is not None
    record = Record(config.track.root, config.sweep.id)
    known, total = record.status(number), record.sweep().get("jobs")
    done = known.run_id if known is not None and known.digest == identity(config) else ""
    experiment = f"{config.data.name}/{config.backbone.name}"
    settings = " ".join(filter(None, [config.sweep.settings, config.sweep.seed]))
    status = Status(number, config.optim.name, settings, experiment, identity(config), run_id=done)
    record.traceback(number).unlink(missing_ok=True)
    record.write(status)
    log.info("\njob %d%s: %s", number + 1, f" of {total}" if total else "", status.name)
    start = time.monotonic()
    try:
        code = _in_a_process(config, done)
    except BaseException:
        told = record.status(number) or status
        record.write(replace(told, state="interrupted", seconds=time.monotonic() - start))
        raise
    ended = replace(record.status(number) or status, seconds=time.monotonic() - start)
    if ended.state == "running":  # it could not say so itself
        ended = replace(ended, **_last_words(code))
    if ended.state != "finished":
        log.warning("job %d, %s, %s: %s", number + 1, status.name, ended.state, ended.reason)
    record.write(ended)
    return ended.objective or (math.nan,) * len(config.objective)


def _last_words(code: int) -> dict[str, Any]:
    if code < 0:
        return {"state": "killed", "reason": f"its process was killed by {signal.Signals(-code).name}"}
    return {"state": "exited", "reason": f"its process exited with {code}"}


def _in_a_process(config: Config, done: str) -> int:
    forked = sys.platform == "linux" and len(tempfile.gettempdir()) <= LONGEST_TMPDIR
    context: Any = multiprocessing.get_context("forkserver" if forked else "spawn")
    if forked:
        context.set_forkserver_preload(PRELOADED)
    process: BaseProcess = context.Process(target=_child, args=(config, done), daemon=False)
    with turns.working():  # the server's imports are work too
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


def _child(config: Config, done: str) -> None:
    """The job's process: run it, and write down how it ended. `done` is its run of before a kill, if that was finished."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _terminated)
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("pipeline").setLevel(logging.INFO)
    assert config.sweep.id is not None and config.sweep.job is not None
    record = Record(config.track.root, config.sweep.id)
    threading.Thread(target=_end_with, args=(record.sweep()["process"],), daemon=True).start()
    status = record.status(config.sweep.job)
    assert status is not None
    try:
        with turns.working():
            from pipeline.run import run

            outcome = run(config, done)
            objective = outcome.objective(config.objective)
    except KeyboardInterrupt:
        record.write(replace(status, state="killed", reason="it was interrupted"))
    except SystemExit as error:
        record.write(replace(status, **_exit_words(error.code)))
        raise
    except UserError as error:
        record.write(replace(status, state="failed", reason=str(error), mendable=True))
    except BaseException as error:
        record.traceback(status.job).write_text(traceback.format_exc(), encoding="utf-8")
        record.write(replace(status, state="failed", reason=" ".join(f"{type(error).__name__}: {error}".split())))
    else:
        before = outcome.row.run_id == done
        if before:
            log.info("it was finished before")
        ended = replace(status, state="finished", run_id=outcome.row.run_id, objective=objective, before=before)
        record.write(replace(ended, made=outcome.made, reused=outcome.reused))


def _exit_words(code: Any) -> dict[str, Any]:
    name = signal_of(code)
    if name is not None:
        return {"state": "killed", "reason": f"it was ended by {name}"}
    return {"state": "exited", "reason": f"it exited with {code}"}


def _terminated(number: int, frame: Any) -> NoReturn:
    raise SystemExit(128 + number)


def _end_with(sweep: str) -> None:
    """End this process as soon as the one that started it, or the sweep's, is gone."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    while parent.is_alive() and not is_gone(sweep):
        parent.join(WATCH_S)
    os.kill(os.getpid(), signal.SIGKILL)
