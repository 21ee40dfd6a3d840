"""Answers from several processes, each with the classifier loaded: for files of many texts, one process a core.

Two threads of one process cost an int8 network a third of its efficiency, two processes nothing.
"""

import multiprocessing
import signal
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from pipeline.deployment.serve.answers import Answer, Answerer
from pipeline.errors import ConfigError, UserError
from pipeline.tasks.inputs import Input

AHEAD = 4  # batches for each process that are read before their turn
_answerer: Answerer | None = None  # of this process


def answers_of_processes(
    artifact: Path, threads: int, workers: int, batches: Iterable[list[Input]]
) -> Iterator[tuple[list[Input], list[Answer]]]:
    """Each batch of texts with its answers, in the order of the batches.

    Only a few batches are read ahead. Raises ConfigError when a process ends, and after all answers what `batches` raised.
    """
    waiting: deque[tuple[list[Input], Future[list[Answer]]]] = deque()
    failure: UserError | None = None
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _load, (artifact, threads))
    try:
        try:
            for batch in batches:
                waiting.append((batch, pool.submit(_answer, batch)))
                if len(waiting) > AHEAD * workers:
                    yield _next(waiting)
        except UserError as error:
            failure = error
        while waiting:
            yield _next(waiting)
    except BrokenProcessPool as error:
        raise ConfigError(f"--workers {workers}: one of the processes ended; is there enough memory? try fewer") from error
    finally:
        pool.shutdown(cancel_futures=True)
    if failure is not None:
        raise failure


def _next(waiting: deque[tuple[list[Input], Future[list[Answer]]]]) -> tuple[list[Input], list[Answer]]:
    batch, future = waiting.popleft()
    return batch, future.result()


def _load(artifact: Path, threads: int) -> None:
    global _answerer
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one ends the others
    _answerer = Answerer(artifact, threads)


def _answer(texts: list[Input]) -> list[Answer]:
    assert _answerer is not None
    return _answerer(texts)
