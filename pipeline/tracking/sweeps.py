"""A sweep in MLflow: a parent run with the nested runs of its jobs, and the final status of each."""

from collections.abc import Mapping
from pathlib import Path

from pipeline.system.processes import this_process
from pipeline.tracking.run import NOTE, PARENT, fitting_note
from pipeline.tracking.runs import UNFINISHED, Tracker


def open_sweep(tracker: Tracker, sweep_id: str, command: str) -> None:
    """Start the sweep's run in this experiment, or continue the run of an interrupted sweep."""
    run_id = tracker.sweep_run(sweep_id)
    if run_id is None:
        tags = {"sweep_id": sweep_id, "kind": "sweep", "command": command[:4000], "process": this_process()}
        tracker.client.create_run(tracker.experiment_id, run_name=f"sweep {sweep_id}", tags=tags)
    else:
        tracker.client.set_tag(run_id, "process", this_process())
        tracker.client.update_run(run_id, status="RUNNING")


def end_unfinished_job(
    tracker: Tracker, sweep_id: str, job: int, optim: str, killed: bool, reason: str, traceback: str | None
) -> None:
    """End the run of an unfinished job as KILLED or FAILED, with the reason; create one if it has none."""
    client, status = tracker.client, "KILLED" if killed else "FAILED"
    query = f"tags.sweep_id = '{sweep_id}' and tags.job = '{job}'"
    runs = client.search_runs([tracker.experiment_id], query, order_by=["attributes.start_time DESC"])
    for run in runs:
        if run.info.status in UNFINISHED:
            client.set_tag(run.info.run_id, "reason", reason[:4000])
            client.set_terminated(run.info.run_id, status)
    own = [run for run in runs if run.data.tags.get("optim") == optim]
    if own and own[0].info.status != "FINISHED":
        if own[0].data.tags.get("reason") == "its process was killed":  # written by `close_orphans`; this reason says more
            client.set_tag(own[0].info.run_id, "reason", reason[:4000])
            client.set_terminated(own[0].info.run_id, status)
        return
    tags = {"sweep_id": sweep_id, "job": str(job), "optim": optim, "reason": reason[:4000]}
    parent = tracker.sweep_run(sweep_id)
    if parent:
        tags[PARENT] = parent
    run_id = client.create_run(tracker.experiment_id, run_name=optim, tags=tags).info.run_id
    if traceback:
        client.log_text(run_id, traceback, "traceback.txt")
    client.set_terminated(run_id, status)


def close_sweep(tracker: Tracker, sweep_id: str, status: str, folder: Path, note: str, metrics: Mapping[str, float]) -> None:
    """End the sweep's run; logs the files of `folder`, the description, and the number of jobs per state."""
    run_id = tracker.sweep_run(sweep_id)
    if run_id is None:
        return
    tracker.client.log_artifacts(run_id, str(folder))
    tracker.client.set_tag(run_id, NOTE, fitting_note(note))
    for name, value in metrics.items():
        tracker.client.log_metric(run_id, name, value)
    tracker.client.set_terminated(run_id, status)
