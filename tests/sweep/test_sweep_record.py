"""What is known of a sweep, on disk; how its jobs are named and averaged; where a sweep begins and with what it ends."""

import json
import math
import platform
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.config import Config, Track
from pipeline.evaluation.rows import Row, averaged
from pipeline.steps.base import Context
from pipeline.sweep.job import _exit_of_code
from pipeline.sweep.lifecycle import finish_sweep, start_sweep
from pipeline.sweep.record import Record, Status, find_interrupted, identity, settings_of, varying_keys
from pipeline.system.processes import this_process
from pipeline.tracking.identity import comparable_key
from pipeline.tracking.runs import Identity, Tracker
from pipeline.tracking.server import connect
from pipeline.tracking.sweeps import open_sweep
from tests.conftest import small

JOB = Status(0, "baseline", "epochs=1", "toy/tiny", "d1")


def gone() -> str:
    """A process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return f"{platform.node()} {process.pid} 0"


def test_a_status_is_read_as_it_was_written(tmp_path: Path) -> None:
    record = Record(str(tmp_path), "s1")
    done = replace(
        JOB, state="finished", objective=(0.5, math.inf), made=("finetune-1",), reused=("load-2", "x-3"), seconds=1.5
    )
    record.write(JOB)
    record.write(done)
    assert Record(str(tmp_path), "s1").status(0) == done
    assert record.status(1) is None and record.statuses() == [done]


def test_jobs_are_in_order_of_their_numbers_and_tracebacks_are_none_of_them(tmp_path: Path) -> None:
    record = Record(str(tmp_path), "s1")
    for number in (10, 2, 0):
        record.write(replace(JOB, job=number))
        record.traceback(number).write_text("Traceback")
    assert [status.job for status in record.statuses()] == [0, 2, 10]


@pytest.mark.parametrize("torn", ["", '{"job": 0, "opt', "\x00\x00"])
def test_a_file_that_is_torn_counts_as_not_there(torn: str, tmp_path: Path) -> None:
    record = Record(str(tmp_path), "s1")
    record.write(JOB)
    record.write(replace(JOB, job=1))
    (record.folder / "job-0.json").write_text(torn)
    (record.folder / "sweep.json").write_text(torn)
    assert record.status(0) is None and [status.job for status in record.statuses()] == [1]
    assert record.sweep() == {} and find_interrupted(str(tmp_path), "k") is None


def test_values_of_a_sweep_are_added_to_those_it_has(tmp_path: Path) -> None:
    record = Record(str(tmp_path), "s1")
    record.write_sweep(key="k", jobs=2, ended=False)
    record.write_sweep(ended=True)
    assert record.sweep() == {"key": "k", "jobs": 2, "ended": True}
    assert [path.name for path in record.folder.iterdir()] == ["sweep.json"]


def test_what_was_cut_off_is_found_the_newest_of_the_same_jobs_whose_process_is_gone(tmp_path: Path) -> None:
    root, dead = str(tmp_path), gone()
    assert find_interrupted(root, "k") is None
    for sweep_id, key, process, ended in (
        ("20260101T000000_a", "k", dead, False),
        ("20260102T000000_b", "k", dead, False),
        ("20260103T000000_c", "other", dead, False),
        ("20260104T000000_d", "k", dead, True),
        ("20260105T000000_e", "k", this_process(), False),
    ):
        Record(root, sweep_id).write_sweep(key=key, process=process, ended=ended)
    found = find_interrupted(root, "k")
    assert found is not None and found.sweep_id == "20260102T000000_b"


def test_jobs_are_named_by_what_differs_between_them() -> None:
    jobs = [
        ["optim=distilbert", f"seed={seed}", f"backbone.student.finetune.epochs={epochs}", "+measure.queries=5"]
        for seed in (1, 2)
        for epochs in (1, 2)
    ]
    keys = varying_keys(jobs)
    assert keys == {"seed", "backbone.student.finetune.epochs"} and varying_keys(jobs[:1]) == set()
    assert [settings_of(job, keys) for job in jobs] == ["epochs=1", "epochs=2"] * 2
    both = ["optim=baseline", "++optim.steps.a.alpha=0.5", "measure.threads=2"]
    assert settings_of(both, {"optim", "optim.steps.a.alpha", "measure.threads"}) == "alpha=0.5 threads=2"
    assert JOB.name == "baseline epochs=1" and replace(JOB, settings="").name == "baseline"


def test_how_the_baseline_is_fine_tuned_is_part_of_its_name_and_there_is_one_for_each_value(
    compose: Callable[..., Config], root: Path, toy_csv: Path
) -> None:
    def swept(key: str) -> tuple[set[str], set[str], set[str]]:
        """Settings of jobs and of their baselines, and which baselines there are."""
        record = Record(str(root), key)
        record.write_sweep(varying=["optim", key])
        jobs, baselines, comparable = set(), set(), set()
        for overrides in ([f"optim={name}", f"{key}={value}"] for name in ("baseline", "distilbert") for value in (1, 2)):
            config = record.job_config(compose(*small(root, toy_csv), *overrides), 0, overrides)
            context = Context(config.data.load(0), config.backbone, 0)
            jobs.add(config.sweep.settings)
            baselines.add(config.sweep.shared)
            comparable.add(comparable_key(config, context))
        return jobs, baselines, comparable

    jobs, baselines, comparable = swept("backbone.teacher.finetune.epochs")
    assert jobs == baselines == {"epochs=1", "epochs=2"} and len(comparable) == 2
    jobs, baselines, comparable = swept("backbone.student.finetune.epochs")
    assert (jobs, baselines, len(comparable)) == ({"epochs=1", "epochs=2"}, {""}, 1)


def test_rows_that_differ_in_their_seed_only_become_their_mean_and_standard_deviation() -> None:
    def row(settings: str, accuracy: float, run: str, **more: float) -> Row:
        return Row("baseline", {"quality/accuracy": accuracy, **more}, run, True, settings, ord(run))

    one, mean = averaged([row("e=1", 0.5, "a"), row("e=2", 0.6, "b", only=1.0), row("e=2", 0.8, "c")])
    assert one == row("e=1", 0.5, "a") and one.name == "baseline e=1" and one.std == {}
    assert mean.name == "baseline e=2 (2 seeds)" and mean.count == 2 and mean.is_baseline and mean.run_id == ""
    assert mean.metrics == pytest.approx({"quality/accuracy": 0.7}), "only what every run has"
    assert mean.std == pytest.approx({"quality/accuracy": 0.2 / math.sqrt(2)})
    same_seed = [row("e=1", 0.5, "a"), replace(row("e=1", 0.9, "b"), seed=ord("a"))]
    assert averaged(same_seed) == same_seed, "they differ in something else than their seed"


@pytest.mark.parametrize(
    ("code", "state", "words"),
    [(3, "exited", "3"), (143, "killed", "SIGTERM"), (255, "exited", "255"), (None, "exited", "")],
)
def test_an_exit_is_a_kill_only_where_the_code_is_a_signals(code: int | None, state: str, words: str) -> None:
    told = _exit_of_code(code)
    assert told["state"] == state and words in told["reason"]


def test_a_sweep_goes_on_only_where_one_of_the_same_jobs_was_cut_off(
    compose: Callable[..., Config], root: Path, toy_csv: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = [compose(f"optim={name}", *small(root, toy_csv)) for name in ("baseline", "distilbert")]
    first = start_sweep(jobs, ["optim"], "the command")
    first.record.write(Status(0, "baseline", "", "toy/tiny", identity(jobs[0]), state="finished", objective=(0.5,)))
    first.record.write_sweep(process=gone())
    other = start_sweep(jobs[:1], [], "another command")
    again = start_sweep(jobs, ["optim"], "the command")
    assert again.record.sweep_id == first.record.sweep_id != other.record.sweep_id
    assert "1 of 2 jobs were finished" in capsys.readouterr().err
    again.record.write(Status(1, "distilbert", "", "toy/tiny", identity(jobs[1]), state="failed", reason="it failed"))
    assert finish_sweep(again, interrupted=False) == 1
    again.record.write_sweep(process=gone())
    assert start_sweep(jobs, ["optim"], "the command").record.sweep_id != first.record.sweep_id, "that one has ended"


@pytest.mark.parametrize(
    ("states", "interrupted", "code", "status"),
    [
        ([("finished", False), ("finished", False)], False, 0, "FINISHED"),
        ([("finished", False), ("failed", True)], False, 2, "FAILED"),
        ([("failed", True), ("failed", False)], False, 1, "FAILED"),
        ([("failed", True), ("killed", False)], False, 1, "FAILED"),
        ([("finished", False)], False, 1, "FAILED"),  # the second job was never started
        ([("finished", False), ("interrupted", False)], True, 1, "KILLED"),
        ([("finished", False), ("made", False)], True, 1, "KILLED"),
    ],
)
def test_the_exit_code_says_what_became_of_the_jobs(
    states: list[tuple[str, bool]],
    interrupted: bool,
    code: int,
    status: str,
    compose: Callable[..., Config],
    root: Path,
    toy_csv: Path,
) -> None:
    jobs = [compose("optim=baseline", f"seed={seed}", *small(root, toy_csv)) for seed in (1, 2)]
    sweep = start_sweep(jobs, ["seed"], "the command")
    for number, (state, mendable) in enumerate(states):
        sweep.record.write(replace(JOB, job=number, state=state, mendable=mendable, reason=f"it was {state}"))
    assert finish_sweep(sweep, interrupted) == code
    (tracker,) = sweep.trackers.values()
    runs = tracker.client.search_runs([tracker.experiment_id])
    assert [run.info.status for run in runs if run.data.tags.get("kind") == "sweep"] == [status]
    ends = {"failed": "FAILED", "killed": "KILLED", "interrupted": "KILLED", "made": "KILLED"}
    told = {run.data.tags["reason"]: run.info.status for run in runs if "job" in run.data.tags}
    assert told == {f"it was {state}": ends[state] for state, _ in states if state != "finished"}
    assert json.loads((sweep.record.folder / "sweep.json").read_text())["ended"] is (len(states) == 2 and not interrupted)


def test_a_run_that_is_made_waits_as_long_as_its_sweep_is_there_and_is_gone_on_with(root: Path) -> None:
    tracker = Tracker(connect(Track(root=str(root))), "toy/tiny")
    job = Identity("int8", "baseline", "f" * 64, "d" * 64, "same", sweep_id="s1", job=0)
    open_sweep(tracker, "s1", "the command")
    tracker.client.set_tag(tracker.sweep_run("s1"), "process", "another machine 1 1")
    with tracker.run(job, pending=True) as run:
        pass
    assert tracker.client.get_run(run.run_id).data.tags["process"] == "another machine 1 1"

    def told() -> tuple[str, str | None]:
        tracker.close_orphans()
        stored = tracker.client.get_run(run.run_id)
        return stored.info.status, stored.data.tags.get("reason")

    assert told() == ("SCHEDULED", None)
    tracker.client.set_tag(run.run_id, "process", gone())
    assert told() == ("KILLED", "its process was killed")
    with pytest.raises(KeyboardInterrupt), tracker.resume(run.run_id, job):
        assert told() == ("RUNNING", None)
        raise KeyboardInterrupt
    assert told() == ("KILLED", "KeyboardInterrupt: ")
    with tracker.resume(run.run_id, replace(job, comparable="elsewhere")):
        pass
    assert told() == ("FINISHED", None) and tracker.row_of(run.run_id, replace(job, comparable="elsewhere")) is not None
