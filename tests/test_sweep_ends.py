"""How sweeps are ended by others: Ctrl-C, SIGTERM, a kill; nothing keeps running, and the same command goes on."""

import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.sweeping import Place, Rows, left_of, wait_for

# what is sent, to whom, and the exit code
ENDS = {
    "ctrl-c": (signal.SIGINT, "everyone", 130),  # a terminal sends it to the whole group
    "interrupt": (signal.SIGINT, "the parent", 130),
    "terminate": (signal.SIGTERM, "the parent", 143),
}
Ended = tuple[Place, subprocess.Popen[str], str]


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory, ready_database: Path, toy_rows: Rows) -> Iterator[dict[str, Ended]]:
    """Sweeps of two jobs, each ended in its own way while the first job is in the middle of a step."""
    with ExitStack() as stack:
        places = {name: stack.enter_context(Place(tmp_path_factory.mktemp(name), ready_database, toy_rows)) for name in ENDS}
        processes = {name: places[name].start("-m", "optim=wait,bert_ort", "optim@baseline=wait") for name in ENDS}
        for name, process in processes.items():
            wait_for(places[name].waiting.exists, process)
        for name, (number, whom, _) in ENDS.items():
            (os.killpg if whom == "everyone" else os.kill)(processes[name].pid, number)
        yield {
            name: (places[name], process, "".join(process.communicate(timeout=60))) for name, process in processes.items()
        }


@pytest.mark.parametrize("name", ENDS)
def test_a_sweep_that_is_ended_ends_its_job_too_and_says_so(name: str, ended: dict[str, Ended]) -> None:
    place, process, output = ended[name]
    assert process.returncode == ENDS[name][2], output
    (parent,) = place.parents()
    assert parent.info.status == "KILLED" and parent.data.metrics["sweep/finished"] == 0
    assert place.statuses() == {0: [("wait", "KILLED")]}, "and the second job was not started"
    assert {run.info.status for run in place.runs()} == {"KILLED"}
    wait_for(lambda: left_of(process.pid) == [], seconds=20)
    assert "0 of 2 jobs finished, 1 not, 1 not started" in output and "Traceback" not in output
    assert not list(place.here.iterdir())


@pytest.fixture
def place(tmp_path: Path, ready_database: Path, toy_rows: Rows) -> Iterator[Place]:
    with Place(tmp_path / "place", ready_database, toy_rows) as place:
        yield place


def test_a_killed_sweep_goes_on_with_the_same_command(place: Place) -> None:
    command = ["-m", "optim=bert_ort,wait,bert_ort_int8"]
    first = place.start(*command)
    wait_for(place.waiting.exists, first)
    job = int(place.waiting.read_text())
    assert job in left_of(first.pid)
    first.kill()  # this process alone
    first.wait()
    wait_for(lambda: left_of(first.pid) == [], seconds=20)
    first.communicate()
    assert place.statuses() == {0: [("bert_ort", "FINISHED")], 1: [("wait", "RUNNING")]}
    (place.folder / "go").touch()
    second = place.run(*command)
    assert second.returncode == 0, second.stderr
    assert "1 of 3 jobs were finished" in second.stderr
    assert place.statuses() == {
        0: [("bert_ort", "FINISHED")],
        1: [("wait", "KILLED"), ("wait", "FINISHED")],
        2: [("bert_ort_int8", "FINISHED")],
    }
    (parent,) = place.parents()
    assert parent.info.status == "FINISHED" and parent.data.metrics["sweep/finished"] == 3
    assert {run.data.tags.get("mlflow.parentRunId") for run in place.runs()} == {parent.info.run_id, None}
    assert {run.data.tags["sweep_id"] for run in place.runs()} == {parent.data.tags["sweep_id"]}
    assert set(Counter(entry["what"] for entry in place.log() if entry["what"] != "measuring").values()) == {1}
    states = [line.split("  ")[1:] for line in second.stdout.splitlines() if line.startswith(("1 ", "2 ", "3 "))]
    assert [" ".join(state).split()[1] for state in states] == ["finished", "finished", "finished"]
    assert "finished before" in " ".join(states[0])
