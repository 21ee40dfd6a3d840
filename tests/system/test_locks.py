"""Taking turns, between real processes: any number work at once, one that measures is alone, a kill frees what was held."""

import json
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from multiprocessing.process import BaseProcess
from pathlib import Path
from unittest import mock

import pytest

from pipeline.system import locks
from tests.support import forked
from tests.support.turns import call_in, hold, measure_while_named, take_turns
from tests.support.waiting import LIMIT_S, wait_for

pytestmark = pytest.mark.slow

A_WHILE_S = 0.4  # long enough to see that something does not happen
Start = Callable[..., BaseProcess]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start a function in a process of its own; the lock lies in the test's directory."""
    usual = tempfile.gettempdir()  # the server that forks has its socket in it
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    processes: list[BaseProcess] = []

    def started(target: Callable[..., None], *arguments: object) -> BaseProcess:
        with mock.patch.object(tempfile, "tempdir", usual):
            process = forked.started(call_in, str(tmp_path), target, arguments)
        processes.append(process)
        return process

    yield started
    for process in processes:
        process.kill()
        process.join()


def holds(path: Path) -> bool:
    return path.exists() and path.read_text() == "holds"


def stays_out(path: Path) -> bool:
    wait_for(path.exists)
    time.sleep(A_WHILE_S)
    return not holds(path)


def test_any_number_work_at_once_and_one_that_measures_waits_for_them_all(start: Start, tmp_path: Path) -> None:
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    start(hold, "working", first)
    start(hold, "working", second)
    wait_for(lambda: holds(first) and holds(second))
    start(hold, "alone", third)
    assert stays_out(third)
    first.unlink()
    assert stays_out(third)
    second.unlink()
    wait_for(lambda: holds(third))


def test_nobody_works_or_measures_beside_one_that_measures(start: Start, tmp_path: Path) -> None:
    first, work, measure = (tmp_path / name for name in ("first", "work", "measure"))
    start(hold, "alone", first)
    wait_for(lambda: holds(first))
    start(hold, "working", work)
    start(hold, "alone", measure)
    assert stays_out(work) and stays_out(measure)
    first.unlink()
    wait_for(lambda: holds(work) or holds(measure))
    for path in sorted((work, measure), key=holds, reverse=True):  # each in its turn
        wait_for(lambda path=path: holds(path))  # type: ignore[misc]
        assert not (holds(work) and holds(measure))
        path.unlink()


@pytest.mark.parametrize("kind", ["working", "alone"])
def test_a_killed_process_holds_nobody_up(kind: str, start: Start, tmp_path: Path) -> None:
    killed, waiting = tmp_path / "killed", tmp_path / "waiting"
    process = start(hold, kind, killed)
    wait_for(lambda: holds(killed))
    start(hold, "alone", waiting)
    assert stays_out(waiting)
    process.kill()
    wait_for(lambda: holds(waiting))


@pytest.mark.parametrize(("kind", "number"), [("working", signal.SIGTERM), ("alone", signal.SIGINT)])
def test_a_process_that_waits_for_its_turn_can_be_ended(kind: str, number: int, start: Start, tmp_path: Path) -> None:
    holder, waiting = tmp_path / "holder", tmp_path / "waiting"
    start(hold, "alone", holder)
    wait_for(lambda: holds(holder))
    process = start(hold, kind, waiting)
    assert stays_out(waiting) and process.pid is not None
    os.kill(process.pid, number)
    process.join(LIMIT_S)
    assert process.exitcode == (143 if number == signal.SIGTERM else 1)


def test_one_that_rests_lets_others_measure_and_works_on_afterwards(start: Start, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    with locks.shared(), locks.shared():
        start(hold, "alone", first)
        assert stays_out(first)
        with locks.released():
            wait_for(lambda: holds(first))
            first.unlink()
        start(hold, "alone", second)
        assert stays_out(second)
    wait_for(lambda: holds(second))


@pytest.mark.parametrize("inner", [locks.shared, locks.exclusive])
def test_after_working_or_measuring_inside_of_it_it_still_works(
    inner: Callable[[], AbstractContextManager[None]], start: Start, tmp_path: Path
) -> None:
    path = tmp_path / "measure"
    with locks.shared():
        with inner():
            pass
        start(hold, "alone", path)
        assert stays_out(path)
    wait_for(lambda: holds(path))


def test_one_that_waits_for_a_lock_by_name_lets_its_holder_measure(start: Start, tmp_path: Path) -> None:
    lock, path = tmp_path / "locks" / "baseline", tmp_path / "measure"
    process = start(measure_while_named, lock, path)
    wait_for(path.exists)
    with locks.shared():
        path.unlink()
        with locks.file_lock(lock, "waiting"):
            assert holds(path), "it was measured while this process waited"
    process.join(LIMIT_S)
    assert process.exitcode == 0


def test_of_many_that_take_turns_none_measures_beside_another(start: Start, tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.jsonl" for number in range(3)]
    for process in [start(take_turns, 8, path) for path in paths]:
        process.join(LIMIT_S)
        assert process.exitcode == 0
    logs = [[json.loads(line) for line in path.read_text().splitlines()] for path in paths]
    assert [len(log) for log in logs] == [16, 16, 16]
    for log in logs:
        others = [entry for other in logs if other is not log for entry in other]
        for _, begun, done in (entry for entry in log if entry[0] == "alone"):
            assert [entry for entry in others if entry[1] < done and begun < entry[2]] == []
