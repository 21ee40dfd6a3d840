"""The start and the end of a sweep: its run in MLflow, the comparison, the summary, the exit code."""

import os
import secrets
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pipeline.config import Config, digest
from pipeline.evaluation.metrics import headline
from pipeline.evaluation.rows import Row, averaged
from pipeline.reporting import noise_floor, summary, tables
from pipeline.sweep.record import FINAL_STATES, Record, Status, find_interrupted, identity
from pipeline.system.processes import this_process
from pipeline.tracking import view
from pipeline.tracking.runs import Tracker
from pipeline.tracking.server import connect
from pipeline.tracking.sweeps import close_sweep, end_unfinished_job, open_sweep

EXIT_FINISHED, EXIT_USER_ERROR, EXIT_FAILED = 0, 2, 1  # all finished; all failures are user errors; other failures


@dataclass(frozen=True)
class SweepRun:
    """A sweep that has started."""

    record: Record
    trackers: dict[str, Tracker]  # by experiment
    explain: bool  # whether the summary explains the columns


def start_sweep(configs: Sequence[Config], varying: Sequence[str], command: str, all_jobs_known: bool = True) -> SweepRun:
    """Start a sweep of these jobs, or continue an interrupted sweep of the same jobs.

    `all_jobs_known` is False if a sweeper chooses jobs as it goes, so that their number is unknown.
    """
    root = configs[0].track.root
    connection = connect(configs[0].track)
    key = digest([identity(config) for config in configs])
    record = find_interrupted(root, key)
    if record is None:
        record = Record(root, f"{datetime.now(UTC):%Y%m%dT%H%M%S}_{secrets.token_hex(3)}")
    else:
        states = [status.state for status in record.statuses()]
        made = f", {states.count('made')} more were made" if "made" in states else ""
        done = f"{states.count('finished')} of {len(configs)} jobs were finished{made}"
        print(f"continuing sweep {record.sweep_id}: {done}", file=sys.stderr)
    record.write_sweep(
        key=key,
        command=command,
        jobs=len(configs) if all_jobs_known else None,
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


def finish_sweep(sweep: SweepRun, interrupted: bool) -> int:
    """End the runs of unfinished jobs, draw the comparison, print the summary; returns the exit code."""
    record = sweep.record
    statuses = [_final_status(status) for status in record.statuses()]
    for status in statuses:
        record.write(status)
        if status.state != "finished":
            killed = status.state not in ("failed", "exited")
            path = record.traceback(status.job)
            traceback = path.read_text(encoding="utf-8") if path.exists() else None
            tracker = sweep.trackers.get(status.experiment)
            if tracker is not None:
                end_unfinished_job(tracker, record.sweep_id, status.job, status.optim, killed, status.reason, traceback)
    failed = [status for status in statuses if status.state != "finished"]
    complete = not interrupted and len(statuses) >= _total(record, statuses)
    state = "KILLED" if interrupted else "FAILED" if failed or not complete else "FINISHED"
    for experiment, tracker in sweep.trackers.items():
        own = [status for status in statuses if status.experiment == experiment]
        _finish_experiment(record, tracker, own, state, sweep.explain)
    print(f"\n{jobs_table(statuses, record)}", flush=True)
    record.write_sweep(ended=complete and all(status.state in FINAL_STATES for status in statuses))
    if not failed and complete:
        return EXIT_FINISHED
    return EXIT_USER_ERROR if failed and all(status.mendable for status in failed) else EXIT_FAILED


def _final_status(status: Status) -> Status:
    """The status at the sweep's end: a job that is not in a final state was interrupted, unless it is made."""
    if status.state in FINAL_STATES:
        return status
    state = "made" if status.state == "made" else "interrupted"
    return replace(status, state=state, reason=status.reason or "the sweep was interrupted")


def _finish_experiment(record: Record, tracker: Tracker, statuses: list[Status], state: str, explain: bool) -> None:
    folder = record.folder / tracker.experiment.replace("/", "_")
    folder.mkdir(exist_ok=True)
    rows = _rows(tracker, [status.run_id for status in statuses if status.state == "finished" and status.run_id])
    missing = [f"{status.name} ({status.state})" for status in statuses if status.state != "finished"]
    jobs, shown = jobs_table(statuses, record), ""
    if rows:
        explained = noise_floor.explanation(tracker, rows)
        table = tables.write(rows, None, f"{tracker.experiment}, sweep {record.sweep_id}", folder, explained, missing)
        plot = os.path.relpath(folder / "comparison.png")
        shown = summary.summary_text(table, summary.comparison_lines(rows), explained if explain else "", plot=plot)
        view.share(tracker.client, tracker.experiment_id, headline(rows[0].metrics))
        note = f"{table.markdown()}\n\n{explained}\n\n```\n{jobs}\n```"
    else:
        note = f"```\n{jobs}\n```"
    (folder / "summary.txt").write_text(jobs + "\n", encoding="utf-8")
    counts = {f"sweep/{name}": sum(status.state == name for status in statuses) for name in FINAL_STATES}
    close_sweep(tracker, record.sweep_id, state, folder, note, counts)
    address = view.address(tracker.connection, str(record.folder.parents[1]), tracker.experiment_id)
    print(f"{shown}\nMLflow:  {address}")
    next_command = summary.command("decide") if rows else ""
    if next_command:
        print(f"next:    {next_command}")


def _rows(tracker: Tracker, run_ids: Sequence[str]) -> list[Row]:
    """The rows of these runs and of their baselines, averaged over seeds."""
    rows = {run_id: tracker.row(run_id) for run_id in run_ids}
    for baseline in [tracker.baseline_of(run_id) for run_id in run_ids]:
        if baseline is not None and not any(row.is_baseline and row.run_id == baseline.run_id for row in rows.values()):
            rows[baseline.run_id] = baseline
    return averaged(rows.values())


def jobs_table(statuses: Sequence[Status], record: Record) -> str:
    """A table of the jobs: state, time, stages made and reused, reason of a failure."""
    head = ["job", "what", "state", "time", "made", "reused", "why"]
    body = [
        [
            str(status.job + 1), status.name, "finished before" if status.before else status.state, _minutes(status.seconds),
            _stage_kinds(status.made), _stage_kinds(status.reused), status.reason,
        ]
        for status in statuses
    ]  # fmt: skip
    widths = [max(len(row[i]) for row in [head, *body]) for i in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in [head, *body]]
    finished, total = sum(status.state == "finished" for status in statuses), _total(record, statuses)
    not_started = total - len(statuses)
    rest = f", {len(statuses) - finished} not" if finished < len(statuses) else ""
    rest += f", {not_started} not started" if not_started else ""
    lines.append(f"sweep {record.sweep_id}: {finished} of {total} jobs finished{rest}")
    if finished < total:
        lines.append(f"tracebacks, if any: {os.path.relpath(record.folder)}/job-*.traceback.txt and in MLflow")
    return "\n".join(lines)


def _total(record: Record, statuses: Sequence[Status]) -> int:
    return int(record.sweep()["jobs"] or len(statuses))


def _stage_kinds(stages: Sequence[str]) -> str:
    return ", ".join(name.rpartition("-")[0] for name in stages) or "-"


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
