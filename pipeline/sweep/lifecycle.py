"""Before a sweep's first job and after its last: its run in MLflow, the comparison, the summary, the exit code."""

import os
import secrets
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pipeline.config import Config, digest
from pipeline.evaluation.rows import Row, averaged
from pipeline.reporting import noise_floor, summary, tables
from pipeline.sweep.record import SETTLED, Record, Status, identity, unended
from pipeline.system.processes import this_process
from pipeline.tracking import view
from pipeline.tracking.runs import Tracker
from pipeline.tracking.server import connect
from pipeline.tracking.sweeps import close_sweep, open_sweep, settle

DONE, MENDABLE, BROKEN = 0, 2, 1  # exit codes: all finished; what failed the user can mend; something else


@dataclass(frozen=True)
class SweepRun:
    """A sweep that has begun."""

    record: Record
    trackers: dict[str, Tracker]  # by experiment
    explain: bool  # whether its summary says what the columns mean


def begin(configs: Sequence[Config], varying: Sequence[str], command: str, known: bool = True) -> SweepRun:
    """Start a sweep of these jobs, or go on with the one of the same jobs that was cut off.

    `known` is False where a sweeper chooses jobs as it goes, and how many there will be can't be told.
    """
    root = configs[0].track.root
    connection = connect(configs[0].track)
    key = digest([identity(config) for config in configs])
    record = unended(root, key)
    if record is None:
        record = Record(root, f"{datetime.now(UTC):%Y%m%dT%H%M%S}_{secrets.token_hex(3)}")
    else:
        states = [status.state for status in record.statuses()]
        made = f", {states.count('made')} more were made" if "made" in states else ""
        told = f"{states.count('finished')} of {len(configs)} jobs were finished{made}"
        print(f"going on with sweep {record.sweep_id}: {told}", file=sys.stderr)
    record.write_sweep(
        key=key,
        command=command,
        jobs=len(configs) if known else None,
        varying=list(varying),
        process=this_process(),
        ended=False,
    )
    experiments = dict.fromkeys(config.experiment_name for config in configs)
    trackers = {name: Tracker(connection, name) for name in experiments}
    for tracker in trackers.values():
        tracker.close_orphans()
        open_sweep(tracker, record.sweep_id, command)
    return SweepRun(record, trackers, configs[0].explain)


def end(whole: SweepRun, interrupted: bool) -> int:
    """Settle every job's run, draw the comparison, tell the whole; returns the exit code."""
    record = whole.record
    statuses = [_over(status) for status in record.statuses()]
    for status in statuses:
        record.write(status)
        if status.state != "finished":
            killed = status.state not in ("failed", "exited")
            path = record.traceback(status.job)
            traceback = path.read_text(encoding="utf-8") if path.exists() else None
            tracker = whole.trackers.get(status.experiment)
            if tracker is not None:
                settle(tracker, record.sweep_id, status.job, status.optim, killed, status.reason, traceback)
    failed = [status for status in statuses if status.state != "finished"]
    complete = not interrupted and len(statuses) >= _total(record, statuses)
    state = "KILLED" if interrupted else "FAILED" if failed or not complete else "FINISHED"
    for experiment, tracker in whole.trackers.items():
        _close(record, tracker, [status for status in statuses if status.experiment == experiment], state, whole.explain)
    print(f"\n{jobs_table(statuses, record)}", flush=True)
    record.write_sweep(ended=complete and all(status.state in SETTLED for status in statuses))
    if not failed and complete:
        return DONE
    return MENDABLE if failed and all(status.mendable for status in failed) else BROKEN


def _over(status: Status) -> Status:
    """A job as it stands at the end: one that still runs, or was cut off, has been interrupted; what is made stays made."""
    if status.state in SETTLED:
        return status
    state = "made" if status.state == "made" else "interrupted"
    return replace(status, state=state, reason=status.reason or "the sweep was interrupted")


def _close(record: Record, tracker: Tracker, statuses: list[Status], state: str, explain: bool) -> None:
    folder = record.folder / tracker.experiment.replace("/", "_")
    folder.mkdir(exist_ok=True)
    rows = _rows(tracker, [status.run_id for status in statuses if status.state == "finished" and status.run_id])
    missing = [f"{status.name} ({status.state})" for status in statuses if status.state != "finished"]
    told, shown = jobs_table(statuses, record), ""
    if rows:
        explained = noise_floor.explanation(tracker, rows)
        table = tables.write(rows, None, f"{tracker.experiment}, sweep {record.sweep_id}", folder, explained, missing)
        plot = os.path.relpath(folder / "comparison.png")
        shown = summary.summary_text(table, summary.comparison_lines(rows), explained if explain else "", plot=plot)
        note = f"{table.markdown()}\n\n{explained}\n\n```\n{told}\n```"
    else:
        note = f"```\n{told}\n```"
    (folder / "summary.txt").write_text(told + "\n", encoding="utf-8")
    counts = {f"sweep/{name}": sum(status.state == name for status in statuses) for name in SETTLED}
    view.share(tracker.client, tracker.experiment_id)
    close_sweep(tracker, record.sweep_id, state, folder, note, counts)
    address = view.address(tracker.connection, str(record.folder.parents[1]), tracker.experiment_id)
    print(f"{shown}\nMLflow:  {address}")
    following = summary.command("decide") if rows else ""
    if following:
        print(f"next:    {following}")


def _rows(tracker: Tracker, run_ids: Sequence[str]) -> list[Row]:
    """The sweep's rows and those of the baselines they were compared with; over several seeds, their means."""
    rows = {run_id: tracker.row(run_id) for run_id in run_ids}
    for baseline in [tracker.baseline_of(run_id) for run_id in run_ids]:
        if baseline is not None and not any(row.is_baseline and row.run_id == baseline.run_id for row in rows.values()):
            rows[baseline.run_id] = baseline
    return averaged(rows.values())


def jobs_table(statuses: Sequence[Status], record: Record) -> str:
    """What ran, what was reused, what failed and why, how long each took."""
    head = ["job", "what", "state", "time", "made", "reused", "why"]
    body = [
        [
            str(status.job + 1), status.name, "finished before" if status.before else status.state, _minutes(status.seconds),
            _kinds(status.made), _kinds(status.reused), status.reason,
        ]
        for status in statuses
    ]  # fmt: skip
    widths = [max(len(row[i]) for row in [head, *body]) for i in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in [head, *body]]
    finished, total = sum(status.state == "finished" for status in statuses), _total(record, statuses)
    waiting = total - len(statuses)
    rest = f", {len(statuses) - finished} not" if finished < len(statuses) else ""
    rest += f", {waiting} not started" if waiting else ""
    lines.append(f"sweep {record.sweep_id}: {finished} of {total} jobs finished{rest}")
    if finished < total:
        lines.append(f"tracebacks, where there are any: {os.path.relpath(record.folder)}/job-*.traceback.txt and in MLflow")
    return "\n".join(lines)


def _total(record: Record, statuses: Sequence[Status]) -> int:
    return int(record.sweep()["jobs"] or len(statuses))


def _kinds(stages: Sequence[str]) -> str:
    return ", ".join(name.rpartition("-")[0] for name in stages) or "-"


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
