"""One job of a sweep: made and measured at once, or made now and measured when all jobs are made. What it does, it does in
a process of its own (see `pipeline.sweep.process`).
"""

import logging
import math
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.sweep.process import in_a_process
from pipeline.sweep.record import Record, Status, identity
from pipeline.system import locks
from pipeline.system.processes import signal_of

if TYPE_CHECKING:
    from pipeline.run import Outcome

Part = Callable[[Config, Status], Status]  # what is done of a job: its status before -> its status when that went well
log = logging.getLogger(__name__)


def run_job(config: Config, later: bool = False) -> tuple[float, ...]:
    """Run the job; where it is to be measured `later`, only make it. What was done before the sweep was killed, counts.

    Returns its objective, NaN where it failed and where it is not measured yet.
    """
    record, number = _place(config)
    known = record.status(number)
    if known is not None and known.digest != identity(config):
        known = None
    experiment = config.experiment_name
    settings = " ".join(filter(None, [config.sweep.settings, config.sweep.seed]))
    status = Status(number, config.optim.name, settings, experiment, identity(config), run_id=known.run_id if known else "")
    _tell(f"\njob {_counted(record, number)}: {status.name}")
    if later and known is not None and known.state == "made":
        _tell("it was made before")
        ended = replace(known, reason="")
        record.write(ended)
    else:
        ended = _in_its_process(config, status, _make if later else _run)
    return ended.objective or (math.nan,) * len(config.objective)


def measure_all(record: Record, configs: Sequence[Config]) -> None:
    """Measure the jobs that were made, one after the other: nothing else of the sweep runs meanwhile."""
    for config in configs:
        status = record.status(_place(config)[1])
        if status is not None and status.state == "made":
            _tell(f"\nmeasuring {_counted(record, status.job)}: {status.name}")
            _in_its_process(config, status, _measure)


def _place(config: Config) -> tuple[Record, int]:
    assert config.sweep.id is not None and config.sweep.job is not None
    return Record(config.track.root, config.sweep.id), config.sweep.job


def _tell(text: str) -> None:
    """Whatever Hydra has made of the logging: only while a job runs in this process is it the program's."""
    print(text, file=sys.stderr, flush=True)


def _counted(record: Record, number: int) -> str:
    total = record.sweep().get("jobs")
    return f"{number + 1} of {total}" if total else f"{number + 1}"


def _in_its_process(config: Config, status: Status, part: Part) -> Status:
    """Do a part of a job in a process of its own; writes down, and returns, how that ended."""
    record, number = _place(config)
    record.traceback(number).unlink(missing_ok=True)
    record.write(status)
    start = time.monotonic()
    try:
        code = in_a_process(record.sweep()["process"], _do, config, part)
    except BaseException:
        told = record.status(number) or status
        if told.state not in ("made", "finished"):
            told = replace(told, state="made" if status.state == "made" else "interrupted")
        record.write(replace(told, seconds=status.seconds + time.monotonic() - start))
        raise
    ended = replace(record.status(number) or status, seconds=status.seconds + time.monotonic() - start)
    if ended.state == status.state:  # it could not say so itself
        ended = replace(ended, **_last_words(code))
    if ended.state not in ("made", "finished"):
        _tell(f"job {number + 1}, {status.name}, {ended.state}: {ended.reason}")
    record.write(ended)
    return ended


def _last_words(code: int) -> dict[str, Any]:
    if code < 0:
        return {"state": "killed", "reason": f"its process was killed by {signal.Signals(-code).name}"}
    return {"state": "exited", "reason": f"its process exited with {code}"}


def _do(config: Config, part: Part) -> None:
    """In the job's process: do the part, and write down how it ended."""
    record, number = _place(config)
    status = record.status(number)
    assert status is not None
    try:
        with locks.shared():
            record.write(part(config, status))
    except KeyboardInterrupt:
        record.write(replace(status, state="killed", reason="it was interrupted"))
    except SystemExit as error:
        record.write(replace(status, **_exit_words(error.code)))
        raise
    except UserError as error:
        record.write(replace(status, state="failed", reason=str(error), mendable=True))
    except BaseException as error:
        record.traceback(number).write_text(traceback.format_exc(), encoding="utf-8")
        record.write(replace(status, state="failed", reason=" ".join(f"{type(error).__name__}: {error}".split())))


def _exit_words(code: Any) -> dict[str, Any]:
    name = signal_of(code)
    if name is not None:
        return {"state": "killed", "reason": f"it was ended by {name}"}
    return {"state": "exited", "reason": f"it exited with {code}"}


def _run(config: Config, status: Status) -> Status:
    from pipeline.run import run

    return _finished(config, status, run(config, status.run_id))


def _make(config: Config, status: Status) -> Status:
    from pipeline.run import Outcome, make

    made = make(config, status.run_id)
    if isinstance(made, Outcome):
        return _finished(config, status, made)
    return replace(status, state="made", run_id=made.run_id, made=made.made, reused=made.reused)


def _measure(config: Config, status: Status) -> Status:
    """What could not be reused, though it was made once, has been made again."""
    from pipeline.run import run

    outcome = run(config, status.run_id, waiting=status.run_id)
    again = tuple(stage for stage in outcome.made if stage not in status.made)
    reused = tuple(stage for stage in status.reused if stage not in again)
    return replace(_finished(config, status, outcome), made=status.made + again, reused=reused)


def _finished(config: Config, status: Status, outcome: "Outcome") -> Status:
    before = outcome.row.run_id == status.run_id and status.state == "running"
    if before:
        log.info("it was finished before")
    ended = replace(status, state="finished", run_id=outcome.row.run_id, objective=outcome.objective(config.objective))
    return replace(ended, before=before, made=outcome.made, reused=outcome.reused)
