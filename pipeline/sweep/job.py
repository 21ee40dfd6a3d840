"""One job of a sweep. Either it is made and measured at once, or it is made first and measured when all jobs are made.

All work of a job runs in its own process (see `pipeline.sweep.process`).
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
from pipeline.sweep.process import run_in_process
from pipeline.sweep.record import Record, Status, identity
from pipeline.system import locks
from pipeline.system.processes import signal_of

if TYPE_CHECKING:
    from pipeline.run import Outcome

Action = Callable[[Config, Status], Status]  # does a part of the job; takes the status before, returns the one after success
log = logging.getLogger(__name__)


def run_job(config: Config, measure_later: bool = False) -> tuple[float, ...]:
    """Make and measure the job, or only make it with `measure_later`. Work that an interrupted sweep has finished is kept.

    Returns its objective: NaN if the job failed or is not measured yet.
    """
    record, number = _record_and_number(config)
    known = record.status(number)
    if known is not None and known.digest != identity(config):
        known = None
    experiment = config.experiment_name
    settings = " ".join(filter(None, [config.sweep.settings, config.sweep.seed]))
    status = Status(number, config.optim.name, settings, experiment, identity(config), run_id=known.run_id if known else "")
    _print(f"\njob {_position(record, number)}: {status.name}")
    if measure_later and known is not None and known.state == "made":
        _print("it was made before")
        final = replace(known, reason="")
        record.write(final)
    else:
        final = _run_action(config, status, _make if measure_later else _make_and_measure)
    return final.objective or (math.nan,) * len(config.objective)


def measure_all(record: Record, configs: Sequence[Config]) -> None:
    """Measure the jobs that were made, one after the other. No other job of the sweep runs during that time."""
    for config in configs:
        status = record.status(_record_and_number(config)[1])
        if status is not None and status.state == "made":
            _print(f"\nmeasuring {_position(record, status.job)}: {status.name}")
            _run_action(config, status, _measure)


def _record_and_number(config: Config) -> tuple[Record, int]:
    assert config.sweep.id is not None and config.sweep.job is not None
    return Record(config.track.root, config.sweep.id), config.sweep.job


def _print(text: str) -> None:
    """Print instead of logging: in this process Hydra configures the log."""
    print(text, file=sys.stderr, flush=True)


def _position(record: Record, number: int) -> str:
    """Such as "2 of 5"; "2" if the number of jobs is unknown."""
    total = record.sweep().get("jobs")
    return f"{number + 1} of {total}" if total else f"{number + 1}"


def _run_action(config: Config, status: Status, action: Action) -> Status:
    """Run an action in its own process; writes and returns the job's status afterwards."""
    record, number = _record_and_number(config)
    record.traceback(number).unlink(missing_ok=True)
    record.write(status)
    start = time.monotonic()
    try:
        code = run_in_process(record.sweep()["process"], _act_and_record, config, action)
    except BaseException:
        last = record.status(number) or status
        if last.state not in ("made", "finished"):
            last = replace(last, state="made" if status.state == "made" else "interrupted")
        record.write(replace(last, seconds=status.seconds + time.monotonic() - start))
        raise
    final = replace(record.status(number) or status, seconds=status.seconds + time.monotonic() - start)
    if final.state == status.state:  # the process ended before it could write its status
        final = replace(final, **_exit_of_process(code))
    if final.state not in ("made", "finished"):
        _print(f"job {number + 1}, {status.name}, {final.state}: {final.reason}")
    record.write(final)
    return final


def _exit_of_process(code: int) -> dict[str, Any]:
    """State and reason for a process's exit code; a negative one is a signal."""
    if code < 0:
        return {"state": "killed", "reason": f"its process was killed by {signal.Signals(-code).name}"}
    return {"state": "exited", "reason": f"its process exited with {code}"}


def _act_and_record(config: Config, action: Action) -> None:
    """In the job's process: run the action and write the status it ends with."""
    record, number = _record_and_number(config)
    status = record.status(number)
    assert status is not None
    try:
        with locks.shared():
            record.write(action(config, status))
    except KeyboardInterrupt:
        record.write(replace(status, state="killed", reason="it was interrupted"))
    except SystemExit as error:
        record.write(replace(status, **_exit_of_code(error.code)))
        raise
    except UserError as error:
        record.write(replace(status, state="failed", reason=str(error), mendable=True))
    except BaseException as error:
        record.traceback(number).write_text(traceback.format_exc(), encoding="utf-8")
        record.write(replace(status, state="failed", reason=" ".join(f"{type(error).__name__}: {error}".split())))


def _exit_of_code(code: Any) -> dict[str, Any]:
    """State and reason for the code of a SystemExit; 128 + n is a signal."""
    name = signal_of(code)
    if name is not None:
        return {"state": "killed", "reason": f"it was ended by {name}"}
    return {"state": "exited", "reason": f"it exited with {code}"}


def _make_and_measure(config: Config, status: Status) -> Status:
    from pipeline.run import run

    return _finished(config, status, run(config, status.run_id))


def _make(config: Config, status: Status) -> Status:
    from pipeline.run import Outcome, make_artifact

    made = make_artifact(config, status.run_id)
    if isinstance(made, Outcome):
        return _finished(config, status, made)
    return replace(status, state="made", run_id=made.run_id, made=made.made, reused=made.reused)


def _measure(config: Config, status: Status) -> Status:
    """Measure what `_make` made. Stages that can't be reused any more are made again."""
    from pipeline.run import run

    outcome = run(config, status.run_id, pending_run_id=status.run_id)
    again = tuple(stage for stage in outcome.made if stage not in status.made)
    reused = tuple(stage for stage in status.reused if stage not in again)
    return replace(_finished(config, status, outcome), made=status.made + again, reused=reused)


def _finished(config: Config, status: Status, outcome: "Outcome") -> Status:
    before = outcome.row.run_id == status.run_id and status.state == "running"
    if before:
        log.info("it was finished before")
    final = replace(status, state="finished", run_id=outcome.row.run_id, objective=outcome.objective(config.objective))
    return replace(final, before=before, made=outcome.made, reused=outcome.reused)
