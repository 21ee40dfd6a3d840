"""Paired measuring: candidate and baseline as two fresh processes on the same core, in turns, on the same queries.

A pair of processes answers the queries in short blocks; who answers a block first alternates (ABBA), so that a machine that
slows down for a moment slows both. Both load at the same time, one of them on the core where both will answer, the other
beside it; then only one is ever active, and wakes the other at the end of its block: the other blocks in a read, and so does
the parent, until all is over. Pairs of fresh processes follow each other, the one started first alternating, until the
speed-up is known well enough or the budget is spent.

A pair is timed for two seconds at least: less would leave the variation from call to call in it, and more would be better
spent on another pair.
"""

import math
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.special  # noqa: F401  intervals need it: it takes its time here, not while something is measured

from pipeline.config import Measure
from pipeline.errors import MeasureError
from pipeline.evaluation.latency.process import Timed, Worker
from pipeline.evaluation.latency.samples import Pair, Samples, speedup
from pipeline.evaluation.latency.worker import OTHER_ENDED
from pipeline.system import machine

BLOCK_MS = 10.0  # before the other takes its turn: a processor's speed was seen to change by percents within 50 ms
BLOCK = 2, 25  # calls of a block, at least and at most
FAST_MS = 5.0  # a shorter call feels what the other has left in the caches, so one that is not timed comes first
PAIR_S, PAIR_SHARE = 2.0, 0.1  # how long a pair is timed at least: so long, but no more than this share of the budget
MIN_PAIRS = 2  # pairs, whatever the budget, since one has no interval; without a budget it is one all the same
MIN_PAIRS_FOR_PRECISION = (
    6  # pairs, from which on a narrow interval is believed: with fewer it is too often narrow by chance
)
ALONE = 3  # processes of a classifier that is measured without another


class Subject(NamedTuple):
    """A classifier to be timed; `slowdown` makes its calls longer by that share of their time."""

    artifact: Path
    slowdown: float = 0.0


class Session(NamedTuple):
    """What all processes of a session have in common."""

    queries: list[str]
    settings: Measure
    cores: Sequence[int]  # that they are pinned to while they answer; []: to none
    progress: Any  # a tqdm bar, one step a pair


def compare(candidate: Subject, baseline: Subject, session: Session) -> tuple[tuple[Pair, ...], str]:
    """Pairs, and why no more were added. Raises MeasureError when a worker process fails."""
    settings, began = session.settings, time.monotonic()
    pairs: list[Pair] = []
    while True:
        first = len(pairs) % 2 == 0
        order = [candidate, baseline] if first else [baseline, candidate]
        samples = in_turns(order, session)
        mine, theirs = samples if first else samples[::-1]
        pairs.append(Pair(mine, theirs, first, time.monotonic() - began))
        _tell(pairs, session.progress)
        stopped = reason_to_stop(pairs, settings.precision, settings.max_seconds)
        if stopped:
            return tuple(pairs), stopped


def _tell(pairs: Sequence[Pair], progress: Any) -> None:
    """One pair more, and the speed-up that is known so far."""
    if len(pairs) > 1:
        known = speedup(pairs)
        progress.set_postfix_str(f"{known.value:.2f}x [{known.low:.2f}, {known.high:.2f}]", refresh=False)
    progress.update(1)


def reason_to_stop(pairs: Sequence[Pair], precision: float, max_seconds: float) -> str:
    """Why no further pair is needed or possible, else "". It looks at the interval's width, never at where it lies."""
    if len(pairs) >= MIN_PAIRS_FOR_PRECISION and speedup(pairs).width < precision:
        return f"precision: the interval is narrower than {precision:.1%}"
    longest = pairs[-1].elapsed_s - (pairs[-2].elapsed_s if len(pairs) > 1 else 0)
    if len(pairs) >= (MIN_PAIRS if max_seconds > 0 else 1) and pairs[-1].elapsed_s + longest > max_seconds:
        return f"budget: {max_seconds:g} s are spent"
    return ""


def alone(subject: Subject, session: Session) -> tuple[Samples, ...]:
    """Samples of several fresh processes of one classifier."""
    began, found = time.monotonic(), list[Samples]()
    while len(found) < ALONE and (not found or time.monotonic() - began < session.settings.max_seconds):
        found += in_turns([subject], session)
        session.progress.update(1)
    return tuple(found)


def in_turns(subjects: Sequence[Subject], session: Session) -> list[Samples]:
    """One fresh process for each subject, started in this order; their samples."""
    queries, settings = session.queries, session.settings
    warm_up = (queries * (1 + settings.warmup_calls // len(queries)))[: max(settings.warmup_calls, 1)]
    with ExitStack() as stack:
        workers, pipe_ends = _started(subjects, session, stack)
        typical_ms = []
        for worker in workers:
            worker.pin(session.cores)
            typical_ms.append(float(np.median(worker.time(warm_up).ms)))
        passes, warm = _passes(settings, len(queries) * sum(typical_ms) / 1000), warmed(settings, typical_ms)
        plans = relay_plans(len(queries), block_of(max(typical_ms)), passes, len(workers))
        for number in reversed(range(len(workers))):  # the first one begins at once
            own, plan = pipe_ends[number], plans[number]
            workers[number].begin("relay", texts=queries, blocks=plan, warm=warm[number], pipe_ends=own)
        return [_samples(blocks, passes) for blocks in _answers(workers)]


def warmed(settings: Measure, typical_ms: Sequence[float]) -> list[bool]:
    """For each of a pair, whether a call that is not timed comes before each block; by the time of a call of each.

    Beside a fast one, one that takes up to twice as long as a fast one may has it too: two of nearly the same speed must not
    differ in this. For a slower one it would be time spent on nothing.
    """
    if settings.protocol == "book" or min(typical_ms) >= FAST_MS:
        return [False for _ in typical_ms]
    return [ms < 2 * FAST_MS for ms in typical_ms]


def _passes(settings: Measure, pass_s: float) -> int:
    """How often a pair answers all queries; the book's protocol says how many calls it are."""
    least_s = 0.0 if settings.protocol == "book" else min(PAIR_S, settings.max_seconds * PAIR_SHARE)
    return max(1, math.ceil(least_s / pass_s))


def _started(subjects: Sequence[Subject], session: Session, stack: ExitStack) -> tuple[list[Worker], list[list[int]]]:
    """The workers, and the two ends of pipes that each takes turns by; both load at once, the second on other cores."""
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
            os.close(end)  # the workers have them: when one ends, the other hears of it
    for worker in workers:
        assert worker.load_ms >= 0  # waits for it
    return workers, pipe_ends[: len(workers)]


def _answers(workers: Sequence[Worker]) -> list[list[Timed]]:
    answers, errors = [], []
    for worker in workers:  # when one fails, the other ends too
        try:
            answers.append(worker.blocks())
        except MeasureError as error:
            errors.append(error)
    if errors:
        raise min(errors, key=lambda error: OTHER_ENDED in str(error))  # what one says of the other's end is no news
    return answers


def relay_plans(queries: int, block: int, passes: int, workers: int) -> list[list[list[int]]]:
    """For each worker its blocks, in order: start, end, whether it waits before it and whether it wakes the other after it.

    Of two workers A and B: A B, B A, A B, ... The one that is through first waits for the other, in an empty block: handing
    over its answer would be work beside the other's last block.
    """
    starts = [start for _ in range(passes) for start in range(0, queries, block)]
    order = [
        who for number in range(len(starts)) for who in (range(workers) if number % 2 == 0 else reversed(range(workers)))
    ]
    plans: list[list[list[int]]] = [[] for _ in range(workers)]
    for place, who in enumerate(order):
        start = starts[len(plans[who])]
        waits, wakes = place > 0 and order[place - 1] != who, place + 1 < len(order) and order[place + 1] != who
        plans[who].append([start, min(start + block, queries), int(waits), int(wakes)])
    if workers == 2:
        plans[order[-1]][-1][3] = 1
        plans[1 - order[-1]].append([queries, queries, 1, 0])
    return plans


def block_of(typical_ms: float) -> int:
    """How many queries a block has, by the time of one call of the slower of the two."""
    return int(np.clip(round(BLOCK_MS / typical_ms), *BLOCK))


def _samples(timed: Sequence[Timed], passes: int) -> Samples:
    ms, tokenize_ms, tokens = (
        np.concatenate([getattr(block, name) for block in timed]) for name in ("ms", "tokenize_ms", "tokens")
    )
    return Samples(ms, tokenize_ms, tokens, tuple(block.block for block in timed), passes)
