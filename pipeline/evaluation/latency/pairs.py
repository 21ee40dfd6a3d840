"""Paired measuring: candidate and baseline are two fresh processes that take turns on the same core and the same queries.

Each pair draws its own queries from the split (see `queries`), so the interval over pairs covers which texts were drawn.

A pair of processes answers the queries in short blocks. The order within a block alternates (ABBA), so if the machine slows
down for a moment, both are slowed. Both processes load at the same time, one on the core where both will answer, the other
on another core. Then only one process is active at any time. It wakes the other at the end of its block; the other process
and the parent block in a read. New pairs follow, and the process that is started first alternates, until the speed-up is
precise enough or the time is up.

Each pair is timed for at least two seconds. A shorter time would leave the variation from call to call in the result, and
more time is better spent on another pair.
"""

import math
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.special  # noqa: F401  intervals need it; importing it here does not disturb a measurement

from pipeline.config import Measure
from pipeline.errors import MeasureError
from pipeline.evaluation.latency.process import TimedBlock, Worker
from pipeline.evaluation.latency.queries import queries_of
from pipeline.evaluation.latency.samples import Pair, Samples, speedup
from pipeline.evaluation.latency.worker import OTHER_ENDED
from pipeline.system import machine
from pipeline.tasks.inputs import Input

BLOCK_MS = 10.0  # length of a turn: a processor's speed was seen to change by several percent within 50 ms
BLOCK = 2, 25  # minimum and maximum number of calls in a block
FAST_MS = 5.0  # the other's data in the caches slows shorter calls, so an untimed call comes first
PAIR_S, PAIR_SHARE = 2.0, 0.1  # minimum time of a pair: 2 s, or this share of `max_seconds` if that is less
MIN_PAIRS = 3  # also where the time is up: an interval of two is of little use. `max_seconds=0`: one pair, without interval
MIN_PAIRS_FOR_PRECISION = 6  # with fewer pairs an interval is too often narrow by chance
ALONE_PROCESSES = 3  # of a classifier that is measured without a baseline; with `max_seconds=0` one


class Subject(NamedTuple):
    """A classifier to time. With `slowdown`, its calls take longer by that share of their time."""

    artifact: Path
    slowdown: float = 0.0


class Session(NamedTuple):
    """What all processes of a session have in common."""

    texts: Sequence[Input]  # of the split from which each pair draws its queries
    settings: Measure
    cores: Sequence[int]  # the processes are pinned to these while they answer; []: not pinned
    progress: Any  # a tqdm bar, one step for each pair


def compare(candidate: Subject, baseline: Subject, session: Session) -> tuple[tuple[Pair, ...], str]:
    """Measure pairs, and say why measuring stopped. Raises MeasureError when a worker process fails."""
    settings, began = session.settings, time.monotonic()
    pairs: list[Pair] = []
    while True:
        first = len(pairs) % 2 == 0
        order = [candidate, baseline] if first else [baseline, candidate]
        samples = measure_in_turns(order, session, len(pairs))
        mine, theirs = samples if first else samples[::-1]
        pairs.append(Pair(mine, theirs, first, time.monotonic() - began))
        _show_progress(pairs, session.progress)
        stopped = reason_to_stop(pairs, settings.precision, settings.max_seconds)
        if stopped:
            return tuple(pairs), stopped


def _show_progress(pairs: Sequence[Pair], progress: Any) -> None:
    """Count one more pair, and show the speed-up so far."""
    if len(pairs) > 1:
        known = speedup(pairs)
        progress.set_postfix_str(f"{known.value:.2f}x [{known.low:.2f}, {known.high:.2f}]", refresh=False)
    progress.update(1)


def reason_to_stop(pairs: Sequence[Pair], precision: float, max_seconds: float) -> str:
    """Why measuring stops after these pairs, else "". It depends on the interval's width, never on its position."""
    if len(pairs) >= MIN_PAIRS_FOR_PRECISION and speedup(pairs).width < precision:
        return f"precision: the interval is narrower than {precision:.1%}"
    longest = pairs[-1].elapsed_s - (pairs[-2].elapsed_s if len(pairs) > 1 else 0)
    if len(pairs) >= (MIN_PAIRS if max_seconds > 0 else 1) and pairs[-1].elapsed_s + longest > max_seconds:
        return f"max_seconds: {max_seconds:g} s are spent"
    return ""


def measure_alone(subject: Subject, session: Session) -> tuple[Samples, ...]:
    """Samples of several fresh processes of one classifier."""
    found = list[Samples]()
    for number in range(ALONE_PROCESSES if session.settings.max_seconds > 0 else 1):
        found += measure_in_turns([subject], session, number)
        session.progress.update(1)
    return tuple(found)


def measure_in_turns(subjects: Sequence[Subject], session: Session, pair: int) -> list[Samples]:
    """Start a fresh process for each subject, in this order, and measure them in turns; the samples of each.

    All of them answer the queries of the pair with this number.
    """
    settings = session.settings
    queries, indices = queries_of(session.texts, settings, pair)
    warm_up = (queries * (1 + settings.warmup_calls // len(queries)))[: max(settings.warmup_calls, 1)]
    with ExitStack() as stack:
        workers, pipe_ends = _started(subjects, session, stack)
        typical_ms, pass_s = [], 0.0
        for worker in workers:
            worker.pin(session.cores)
            ms = worker.time(warm_up).ms
            typical_ms.append(float(np.median(ms)))
            pass_s += pass_seconds(ms, len(queries))
        passes, warm = _passes(settings, pass_s), needs_warm_up_call(settings, typical_ms)
        schedules = block_schedules(len(queries), block_size(max(typical_ms)), passes, len(workers))
        for number in reversed(range(len(workers))):  # the first worker begins immediately, so it is asked last
            own, schedule = pipe_ends[number], schedules[number]
            workers[number].begin("take_turns", texts=queries, blocks=schedule, warm=warm[number], pipe_ends=own)
        return [_samples(blocks, passes, indices) for blocks in _answers(workers)]


def needs_warm_up_call(settings: Measure, typical_ms: Sequence[float]) -> list[bool]:
    """Whether an untimed call comes before each block, for each process of a pair; `typical_ms`: the time of their calls.

    It comes where the faster one takes less than `FAST_MS`. Then the other one needs it too, up to `2 * FAST_MS`: two
    classifiers of nearly the same speed must be treated alike. A slower one does not need it.
    """
    if settings.protocol == "book" or min(typical_ms) >= FAST_MS:
        return [False for _ in typical_ms]
    return [ms < 2 * FAST_MS for ms in typical_ms]


def pass_seconds(warm_up_ms: np.ndarray, queries: int) -> float:
    """The expected time of one pass over the queries; `warm_up_ms`: float64 (calls,).

    It takes the mean of the later calls: the first ones are slower, and the median of a cascade is far below its mean.
    """
    return queries * float(warm_up_ms[len(warm_up_ms) // 2 :].mean()) / 1000


def _passes(settings: Measure, pass_s: float) -> int:
    """The number of passes over all queries in a pair; one with the book's protocol, which fixes the number of calls."""
    min_s = 0.0 if settings.protocol == "book" else min(PAIR_S, settings.max_seconds * PAIR_SHARE)
    return max(1, math.ceil(min_s / pass_s))


def _started(subjects: Sequence[Subject], session: Session, stack: ExitStack) -> tuple[list[Worker], list[list[int]]]:
    """The workers, and for each the two pipe ends by which it takes turns. Both load at once, the second on other cores."""
    (read_1, write_1), (read_2, write_2) = os.pipe(), os.pipe()
    pipe_ends, beside = [[read_1, write_2], [read_2, write_1]], machine.cores_for_loading(session.cores)
    workers = []
    try:
        for number, (subject, own) in enumerate(zip(subjects, pipe_ends, strict=False)):
            cores = beside if number else session.cores
            worker = Worker(subject.artifact, session.settings.threads, cores, subject.slowdown, own)
            workers.append(stack.enter_context(worker))
    finally:
        for end in (read_1, write_1, read_2, write_2):
            os.close(end)  # only the workers keep them open, so each notices when the other ends
    for worker in workers:
        assert worker.load_ms >= 0  # waits for it
    return workers, pipe_ends[: len(workers)]


def _answers(workers: Sequence[Worker]) -> list[list[TimedBlock]]:
    answers, errors = [], []
    for worker in workers:  # if one fails, the other ends too
        try:
            answers.append(worker.blocks())
        except MeasureError as error:
            errors.append(error)
    if errors:
        raise min(
            errors, key=lambda error: OTHER_ENDED in str(error)
        )  # prefer the cause to the other worker's message about it
    return answers


def block_schedules(queries: int, block: int, passes: int, workers: int) -> list[list[list[int]]]:
    """The blocks of each worker, in order: [start, end, whether it waits before it, whether it wakes the other after it].

    Two workers A and B answer in the order A B, B A, A B, ... The one that finishes first waits for the other in an empty
    block, because sending its answer would disturb the other's last block.
    """
    starts = [start for _ in range(passes) for start in range(0, queries, block)]
    order = [
        worker
        for number in range(len(starts))
        for worker in (range(workers) if number % 2 == 0 else reversed(range(workers)))
    ]
    schedules: list[list[list[int]]] = [[] for _ in range(workers)]
    for place, worker in enumerate(order):
        start = starts[len(schedules[worker])]
        waits, wakes = place > 0 and order[place - 1] != worker, place + 1 < len(order) and order[place + 1] != worker
        schedules[worker].append([start, min(start + block, queries), int(waits), int(wakes)])
    if workers == 2:
        schedules[order[-1]][-1][3] = 1
        schedules[1 - order[-1]].append([queries, queries, 1, 0])
    return schedules


def block_size(typical_ms: float) -> int:
    """The number of queries in a block; `typical_ms`: the time of a call of the slower process."""
    return int(np.clip(round(BLOCK_MS / typical_ms), *BLOCK))


def _samples(timed: Sequence[TimedBlock], passes: int, queries: tuple[int, ...]) -> Samples:
    ms, tokenize_ms, tokens = (
        np.concatenate([getattr(block, name) for block in timed]) for name in ("ms", "tokenize_ms", "tokens")
    )
    return Samples(ms, tokenize_ms, tokens, tuple(block.block for block in timed), passes, queries)
