"""How sweeps are ended by others: Ctrl-C, SIGTERM, a kill; nothing keeps running, and the same command goes on."""

import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.forked import Program
from tests.support.sweeping import Place, Rows, left_of
from tests.support.waiting import LIMIT_S, wait_for

pytestmark = pytest.mark.slow

# what is sent, to whom, and the exit code
ENDS = {
    "ctrl-c": (signal.SIGINT, "everyone", 130),  # a terminal sends it to the whole group
    "interrupt": (signal.SIGINT, "the parent", 130),
    "terminate": (signal.SIGTERM, "the parent", 143),
    "ctrl-c while measuring": (signal.SIGINT, "everyone", 130),
}
Ended = tuple[Place, Program, str]


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory, ready_database: Path, toy_rows: Rows) -> Iterator[dict[str, Ended]]:
    """Sweeps of two jobs, each ended in its own way while the first job is in the middle of a step, or is measured."""
    with ExitStack() as stack:
        places = {
            name: stack.enter_context(Place(tmp_path_factory.mktemp("ended"), ready_database, toy_rows)) for name in ENDS
        }
        (places["ctrl-c while measuring"].folder / "go").touch()
        (places["ctrl-c while measuring"].folder / "hold").write_text("0")
        processes = {name: place.start("-m", "optim=idle,tfidf", "optim@baseline=idle") for name, place in places.items()}
        for name, process in processes.items():
            wait_for(places[name].waiting.exists, process)
        for name, (number, whom, _) in ENDS.items():
            (os.killpg if whom == "everyone" else os.kill)(processes[name].pid, number)
        told = {name: "".join(process.communicate(timeout=LIMIT_S)) for name, process in processes.items()}
        yield {name: (places[name], process, told[name]) for name, process in processes.items()}


@pytest.mark.parametrize("name", ENDS)
def test_a_sweep_that_is_ended_ends_its_job_too_and_says_so(name: str, ended: dict[str, Ended]) -> None:
    place, process, output = ended[name]
    assert process.returncode == ENDS[name][2], output
    (parent,) = place.parents()
    assert parent.info.status == "KILLED" and parent.data.metrics["sweep/finished"] == 0
    if "measuring" in name:
        assert place.statuses() == {0: [("idle", "KILLED")], 1: [("tfidf", "KILLED")]}
        assert "0 of 2 jobs finished, 2 not" in output
    else:
        assert place.statuses() == {0: [("idle", "KILLED")]}, "and the second job was not started"
        assert "0 of 2 jobs finished, 1 not, 1 not started" in output
    assert {run.info.status for run in place.runs()} == {"KILLED"}
    wait_for(lambda: left_of(process.pid) == [])
    assert "Traceback" not in output
    assert not list(place.here.iterdir())


JOBS = ["baseline_onnx", "wait", "broken", "baseline_onnx_int8"]
Statuses = dict[int, list[tuple[str, str]]]


@pytest.fixture(scope="module")
def killed(
    tmp_path_factory: pytest.TempPathFactory, ready_database: Path, toy_rows: Rows
) -> Iterator[tuple[Place, list[Statuses], subprocess.CompletedProcess[str]]]:
    """A sweep that is killed while its second job is made, then while that is measured; at last the same command ends."""
    with Place(tmp_path_factory.mktemp("killed"), ready_database, toy_rows) as place:
        command, before = ["-m", f"optim={','.join(JOBS)}"], []
        for _ in range(2):
            process = place.start(*command)
            wait_for(place.waiting.exists, process)
            assert int(place.waiting.read_text()) in left_of(process.pid)
            process.kill()  # this process alone
            process.communicate()
            wait_for(lambda session=process.pid: left_of(session) == [])  # type: ignore[misc]
            before.append(place.statuses())
            place.waiting.unlink()
            (place.folder / "go").touch()
            (place.folder / "hold").write_text("1")
        (place.folder / "hold").unlink()
        yield place, before, place.run(*command)


Killed = tuple[Place, list[Statuses], subprocess.CompletedProcess[str]]


def test_a_killed_sweep_goes_on_with_the_same_command_in_the_runs_that_were_made(killed: Killed) -> None:
    place, (while_made, while_measured), last = killed
    assert while_made == {0: [("baseline_onnx", "SCHEDULED")], 1: [("wait", "RUNNING")]}
    twice = [("wait", "KILLED"), ("wait", "RUNNING")]
    assert while_measured == {
        0: [("baseline_onnx", "FINISHED")],
        1: twice,
        2: [("broken", "SCHEDULED")],
        3: [("baseline_onnx_int8", "SCHEDULED")],
    }
    assert "1 of 4 jobs were finished, 3 more were made" in last.stderr
    assert place.statuses() == {
        0: [("baseline_onnx", "FINISHED")],
        1: [("wait", "KILLED"), ("wait", "FINISHED")],
        2: [("broken", "FAILED")],
        3: [("baseline_onnx_int8", "FINISHED")],
    }
    (parent,) = place.parents()
    assert {run.data.tags.get("mlflow.parentRunId") for run in place.runs()} == {parent.info.run_id, None}
    assert {run.data.tags["sweep_id"] for run in place.runs()} == {parent.data.tags["sweep_id"]}
    assert ["reason" in run.data.tags for run in place.runs("attributes.status = 'FINISHED'")] == [False] * 3


def test_nothing_is_made_or_measured_twice_and_nothing_measured_before_all_is_made(killed: Killed) -> None:
    place, _, last = killed
    log = place.log()
    made = Counter(entry["what"] for entry in log if entry["what"] != "measuring")
    assert set(made.values()) == {1}, made
    measured = [entry for entry in log if entry["what"] == "measuring"]
    assert max(entry["end"] for entry in log if entry["what"] in made) < min(entry["start"] for entry in measured)
    runs = place.runs("attributes.status = 'FINISHED'")
    for run in runs:
        for name in ("latency/mean_ms", "training/validation_accuracy"):
            steps = [point.step for point in place.client.get_metric_history(run.info.run_id, name)]
            assert steps and len(steps) == len(set(steps)), f"{name} was logged twice"
    states = [line.split()[2:4] for line in last.stdout.splitlines() if line.startswith(("1  ", "2  ", "3  ", "4  "))]
    assert [state[0] for state in states] == ["finished", "finished", "failed", "finished"]
    assert states[0] == ["finished", "before"]


def test_a_job_that_fails_while_it_is_measured_does_not_stop_the_others(killed: Killed) -> None:
    place, _, last = killed
    assert last.returncode == 2, "what failed the user can mend"
    (parent,) = place.parents()
    assert parent.info.status == "FAILED"
    assert parent.data.metrics["sweep/finished"] == 3 and parent.data.metrics["sweep/failed"] == 1
    (broken,) = place.runs("attributes.status = 'FAILED' and tags.optim = 'broken'")
    assert "MeasureError: measuring error: " in broken.data.tags["reason"]
    assert "job 3, broken, failed: measuring error: " in last.stderr
    assert "training/validation_accuracy" in broken.data.metrics and "latency/mean_ms" not in broken.data.metrics
