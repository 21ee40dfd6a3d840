"""Pairs of real worker processes: fresh, in turns, on one core; and what is said about when to stop."""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from pipeline.config import Measure
from pipeline.errors import MeasureError
from pipeline.evaluation.latency.pairs import (
    MIN_PAIRS_FOR_PRECISION,
    Session,
    Subject,
    _answers,
    block_schedules,
    block_size,
    compare,
    measure_alone,
    measure_in_turns,
    needs_warm_up_call,
    pass_seconds,
    reason_to_stop,
)
from pipeline.evaluation.latency.process import Worker
from pipeline.evaluation.latency.samples import MIN_WAITING_SHARE, Block, Pair, Samples
from pipeline.system.progress import bar
from tests.support import instant
from tests.support.waiting import LIMIT_S

pytestmark = pytest.mark.slow

QUERIES = ["play a song", "no", "is it sunny", "rain rain rain rain rain rain"] * 15
SETTINGS = Measure(queries=len(QUERIES), warmup_calls=5, max_seconds=0)


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return instant.write(tmp_path_factory.mktemp("pairs") / "instant", ["music", "weather"], width=2000)


@pytest.fixture
def session() -> Iterator[Session]:
    cores = sorted(os.sched_getaffinity(0))[-1:] if hasattr(os, "sched_getaffinity") else []
    with bar("measuring", "pair") as progress:
        yield Session(QUERIES, SETTINGS, cores, progress)


def pair(log_ratio: float, first: bool, elapsed_s: float) -> Pair:
    """A pair with these metrics."""
    block = Block(4, 4.0, 4.0, 0)
    samples = Samples(np.ones(4), np.zeros(4), np.ones(4, np.int64), (block,))
    return Pair(replace(samples, ms=np.full(4, np.exp(-log_ratio))), samples, first, elapsed_s)


def test_both_answer_every_query_in_blocks_and_the_one_started_first_alternates(artifact: Path, session: Session) -> None:
    longer = session._replace(settings=replace(SETTINGS, max_seconds=2, precision=1e-9))
    pairs, stopped = compare(Subject(artifact), Subject(artifact), longer)
    assert [pair.candidate_first for pair in pairs] == [number % 2 == 0 for number in range(len(pairs))] and len(pairs) > 1
    assert stopped == "max_seconds: 2 s are spent"
    assert 0 < pairs[0].elapsed_s < pairs[1].elapsed_s and all(pair.elapsed_s < 2 for pair in pairs[2:-1])
    tokens = [3, 1, 3, 6] * 15
    assert all(pair.candidate.queries == pair.baseline.queries for pair in pairs)  # the same texts in the same order,
    assert pairs[0].candidate.queries != pairs[1].candidate.queries  # which another pair draws anew
    for samples in [samples for pair in pairs for samples in (pair.candidate, pair.baseline)]:
        assert samples.ms.shape == samples.tokenize_ms.shape == samples.tokens.shape == (60 * samples.passes,)
        calls = [block.calls for block in samples.blocks]
        assert sum(calls) == 60 * samples.passes and samples.passes > 1 and 2 <= calls[0] <= 25
        assert samples.tokens.tolist() == [tokens[i] for i in samples.queries] * samples.passes
        assert (samples.tokenize_ms > 0).all() and (samples.tokenize_ms < samples.ms).all()
        assert sum(block.wall_ms for block in samples.blocks) >= samples.ms.sum()


def test_a_classifier_alone_is_measured_in_several_processes(
    artifact: Path, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.evaluation.latency.pairs.PAIR_S", 0.2)
    processes = measure_alone(Subject(artifact), session._replace(settings=replace(SETTINGS, max_seconds=LIMIT_S)))
    assert len(processes) == 3 and all(len(samples.ms) == 60 * samples.passes for samples in processes)
    assert len({samples.queries for samples in processes}) == 3  # each process draws its own


def test_a_slowdown_is_found_whichever_of_the_two_has_it(artifact: Path, session: Session) -> None:
    slowed, longer = Subject(artifact, slowdown=1.0), session._replace(settings=replace(SETTINGS, max_seconds=2.5))
    slower = compare(slowed, Subject(artifact), longer)[0]
    faster = compare(Subject(artifact), slowed, longer)[0]
    found = [np.median([pair.percentile_log_ratio(50) for pair in pairs]) for pairs in (faster, slower)]
    assert (found[0] - found[1]) / 2 == pytest.approx(np.log(2), abs=0.3)  # what one of the two always has is in both


def test_pairs_are_added_until_the_interval_is_narrow_or_the_time_spent() -> None:
    steady = [pair(0.1 + 0.001 * (number % 3), number % 2 == 0, number + 1.0) for number in range(8)]
    assert not reason_to_stop(steady[: MIN_PAIRS_FOR_PRECISION - 1], precision=0.03, max_seconds=60)  # too few to trust
    assert (
        reason_to_stop(steady[:MIN_PAIRS_FOR_PRECISION], precision=0.03, max_seconds=60)
        == "precision: the interval is narrower than 3.0%"
    )
    noisy = [pair(0.1 * (number % 3), number % 2 == 0, number + 1.0) for number in range(8)]
    assert not reason_to_stop(noisy, precision=0.03, max_seconds=60)
    assert reason_to_stop(noisy, precision=0.03, max_seconds=8.5) == "max_seconds: 8.5 s are spent"
    assert not reason_to_stop(noisy, precision=0.03, max_seconds=9)  # a further one takes a second, as the last did
    assert not any(reason_to_stop(noisy[:few], precision=0.03, max_seconds=0.5) for few in (1, 2))  # three at least
    assert reason_to_stop(noisy[:3], precision=0.03, max_seconds=0.5) == "max_seconds: 0.5 s are spent"
    assert reason_to_stop(noisy[:1], precision=0.03, max_seconds=0) == "max_seconds: 0 s are spent"  # it was asked for


def test_a_pass_takes_as_long_as_a_mean_call_says_not_a_median_one() -> None:
    first, cascade = [500.0, 90.0, 80.0, 70.0], [0.1, 0.1, 0.1, 19.7]
    assert pass_seconds(np.array([*first, *cascade]), queries=100) == pytest.approx(0.5)


def test_blocks_are_short_for_a_slow_classifier_and_never_single_calls() -> None:
    assert [block_size(ms) for ms in (0.01, 0.5, 2.0, 9.0, 300.0)] == [25, 20, 5, 2, 2]


def test_two_of_nearly_the_same_speed_are_warmed_alike_and_slow_ones_are_not() -> None:
    times = ([4.9, 5.1], [0.7, 80.0], [6.0, 7.0], [1.0])
    assert [needs_warm_up_call(SETTINGS, ms) for ms in times] == [[True, True], [True, False], [False, False], [True]]
    assert needs_warm_up_call(replace(SETTINGS, protocol="book"), [1.0, 1.0]) == [False, False]


def test_two_processes_take_turns_and_the_one_that_answers_first_alternates() -> None:
    mine, theirs = block_schedules(queries=5, block=2, passes=2, workers=2)
    assert [block[:2] for block in mine] == [[0, 2], [2, 4], [4, 5]] * 2
    assert [block[:2] for block in theirs] == [[0, 2], [2, 4], [4, 5]] * 2 + [
        [5, 5]
    ]  # through first, it waits for the other
    who = 0
    order: list[tuple[int, int]] = []  # played through: who has the turn answers until it wakes the other
    left = [list(mine), list(theirs)]
    while left[who]:
        start, _, waits, wakes = left[who].pop(0)
        assert waits == (order != [] and order[-1][0] != who)
        order.append((who, start))
        who = 1 - who if wakes else who
    assert left == [[], []]
    assert [one for one, _ in order] == [0, 1, 1, 0] * 3 + [1]
    assert [start for _, start in order] == [0, 0, 2, 2, 4, 4] * 2 + [5]


def test_one_process_alone_waits_for_nobody() -> None:
    assert block_schedules(queries=3, block=2, passes=1, workers=1) == [[[0, 2, 0, 0], [2, 3, 0, 0]]]


def test_while_a_worker_answers_the_parent_uses_almost_nothing_and_idle_workers_nothing(artifact: Path) -> None:
    with Worker(artifact, 1, slowdown=80) as busy, Worker(artifact, 1) as idle:
        assert busy.ask("memory") and idle.ask("memory")  # they are ready
        time.sleep(0.1)
        before, own, began = cpu_s(idle), time.process_time(), time.monotonic()
        busy.begin("take_turns", texts=QUERIES, blocks=[[0, len(QUERIES), 0, 0]], warm=False, pipe_ends=[])
        (timed,) = busy.blocks()
        waited = time.monotonic() - began
        assert waited > timed.ms.sum() / 1000 > 0.2
        assert time.process_time() - own < 0.1 * waited  # had it spun, it would be all of it, or a share of a busy core
        assert cpu_s(idle) - before < 0.1 * waited


def cpu_s(worker: Worker) -> float:
    times = psutil.Process(worker.pid).cpu_times()
    return float(times.user + times.system)


def test_when_one_of_the_two_fails_the_other_ends_too_and_the_error_is_its_own(artifact: Path) -> None:
    mine, theirs = block_schedules(len(QUERIES), 20, 1, 2)
    failures: list[tuple[list[Any], list[Any], str]] = [
        (QUERIES, [*theirs[:-1], [0, None, 0, 0]], "TypeError"),  # in the middle: a block without an end
        ([*QUERIES[:-1], None], theirs, "ValueError: expected a text"),  # before its first turn
    ]
    pipes = [(*os.pipe(), *os.pipe()) for _ in failures]
    with (
        Worker(artifact, 1, pipe_ends=[end for read_1, _, _, write_2 in pipes for end in (read_1, write_2)]) as first,
        Worker(artifact, 1, pipe_ends=[end for _, write_1, read_2, _ in pipes for end in (read_2, write_1)]) as second,
    ):
        for end in (end for ends in pipes for end in ends):
            os.close(end)
        for (texts, blocks, error), (read_1, write_1, read_2, write_2) in zip(failures, pipes, strict=True):
            second.begin("take_turns", texts=texts, blocks=blocks, warm=False, pipe_ends=[read_2, write_1])
            first.begin("take_turns", texts=QUERIES, blocks=mine, warm=False, pipe_ends=[read_1, write_2])
            with pytest.raises(MeasureError, match=error):
                _answers([first, second])
        assert first.ask("memory") and second.ask("memory")  # both live


def test_the_books_protocol_times_each_query_once_however_fast_it_is(artifact: Path, session: Session) -> None:
    book = session._replace(settings=replace(SETTINGS, protocol="book", query="no", max_seconds=60))
    assert [samples.passes for samples in measure_in_turns([Subject(artifact), Subject(artifact)], book, 0)] == [1, 1]


def test_when_one_of_the_two_is_killed_the_error_names_it(artifact: Path, tmp_path: Path, session: Session) -> None:
    copy = Path(shutil.copytree(artifact, tmp_path / "copy"))

    def kill() -> None:
        def workers() -> list[psutil.Process]:
            ours = [
                child for child in psutil.Process().children() if "pipeline.evaluation.latency.worker" in child.cmdline()
            ]
            return [worker for worker in ours if worker.cpu_times().user > 0.7]

        while not (found := workers()):
            time.sleep(0.01)
        for child in found[-1:]:
            child.kill()

    slow = session._replace(settings=replace(SETTINGS, warmup_calls=1))
    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(MeasureError, match=r"the worker for .* ended with exit code -9"):
        measure_in_turns([Subject(artifact, 1000), Subject(copy, 1000)], slow, 0)
    killer.join()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this platform can't pin processes")
def test_a_worker_that_must_share_its_core_has_marked_blocks(artifact: Path) -> None:
    core = max(os.sched_getaffinity(0))
    spin = f"import os; os.sched_setaffinity(0, [{core}]); print(flush=True)\nwhile True: pass"
    with Worker(artifact, 1, [core]) as worker:
        busy = subprocess.Popen([sys.executable, "-c", spin], stdout=subprocess.PIPE)
        try:
            assert busy.stdout is not None and busy.stdout.readline()
            blocks = [worker.time(QUERIES * 20).block for _ in range(5)]
        finally:
            busy.kill()
            busy.communicate()
    assert all(block.descheduled for block in blocks)


def test_a_block_is_marked_when_others_were_given_its_core_for_more_than_a_moment() -> None:
    assert not Block(25, 100.0, 99.0, 3).descheduled  # a moment
    assert not Block(25, 100.0, 50.0, 0).descheduled  # it waited for something, not for the core
    assert not Block(25, 100.0, 50.0, None).descheduled  # the platform does not tell
    assert Block(25, 100.0, 100 * (1 - MIN_WAITING_SHARE) - 0.1, 1).descheduled


def test_workers_are_pinned_to_the_cores_they_are_given(artifact: Path) -> None:
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("this platform can't pin processes")
    core = min(os.sched_getaffinity(0))
    with Worker(artifact, 1, [core]) as worker:
        worker.ask("memory")
        found = [child for child in psutil.Process().children() if "pipeline.evaluation.latency.worker" in child.cmdline()]
        assert [child.cpu_affinity() for child in found] == [[core]]
        worker.pin(sorted(os.sched_getaffinity(0)))
        threads = [thread.id for child in found for thread in child.threads()]
        assert threads and all(os.sched_getaffinity(thread) == os.sched_getaffinity(0) for thread in threads)
