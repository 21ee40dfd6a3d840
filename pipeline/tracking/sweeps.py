"""A sweep in MLflow: a parent run that its jobs' runs are nested in, and the right end of each, whatever happened."""

from collections.abc import Mapping
from pathlib import Path

from pipeline.system.processes import this_process
from pipeline.tracking.run import NOTE, PARENT
from pipeline.tracking.runs import UNDER_WAY, Tracker


def open_sweep(tracker: Tracker, sweep_id: str, command: str) -> None:
    """Start the sweep's run in this experiment, or go on with it where a killed sweep left it."""
    run_id = tracker.sweep_run(sweep_id)
    if run_id is None:
        tags = {"sweep_id": sweep_id, "kind": "sweep", "command": command[:4000], "process": this_process()}
        tracker.client.create_run(tracker.experiment_id, run_name=f"sweep {sweep_id}", tags=tags)
    else:
        tracker.client.set_tag(run_id, "process", this_process())
        tracker.client.update_run(run_id, status="RUNNING")


def settle(tracker: Tracker, sweep_id: str, job: int, optim: str, killed: bool, reason: str, traceback: str | None) -> None:
    """Give a job that did not finish a run that says so: KILLED or FAILED, with the reason and the traceback."""
    client, status = tracker.client, "KILLED" if killed else "FAILED"
    query = f"tags.sweep_id = '{sweep_id}' and tags.job = '{job}'"
    runs = client.search_runs([tracker.experiment_id], query, order_by=["attributes.start_time DESC"])
    for run in runs:
        if run.info.status in UNDER_WAY:
            client.set_tag(run.info.run_id, "reason", reason[:4000])
            client.set_terminated(run.info.run_id, status)
    own = [run for run in runs if run.data.tags.get("optim") == optim]
    if own and own[0].info.status != "FINISHED":
        if own[0].data.tags.get("reason") == "its process was killed":  # said by a run that only saw it gone
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
    """End the sweep's run with its comparison (the files of `folder`), its description and counts of jobs by state."""
    run_id = tracker.sweep_run(sweep_id)
    if run_id is None:
        return
    tracker.client.log_artifacts(run_id, str(folder))
    tracker.client.set_tag(run_id, NOTE, note)
    for name, value in metrics.items():
        tracker.client.log_metric(run_id, name, value)
    tracker.client.set_terminated(run_id, status)
