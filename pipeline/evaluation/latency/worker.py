"""The worker process loads an artifact and answers requests, one line of JSON each.

    {"do": "load", "artifact": DIR, "threads": 1, "cores": [0]}        -> {"load_ms": ...}
    {"do": "pin", "cores": [0]}                                        -> {}
    {"do": "time", "texts": [...]}                                     -> {"ms": [...], ...}  a block: one call for each text
    {"do": "take_turns", "texts": [...], "blocks": [[0, 10, 0, 1], ...], "warm": true, "pipe_ends": [3, 6]}
                                                                       -> {"blocks": [...]}   each like the answer to "time"
    {"do": "throughput", "texts": [...], "batch_size": 32}             -> {"texts_per_s": ...}
    {"do": "serve", "texts": [...], "clients": 4, "seconds": 1.5}      -> {"clients": [...]}  several client threads
    {"do": "predict", "texts": FILE, "logits": FILE, "batch_size": 32} -> {}                  in batches of similar length
    {"do": "memory"}                                                   -> {"peak_mb": ...}    where the platform reports it
    {"do": "tasks"}                                                    -> {"tasks": 1}        threads of the process

A text is a string, or a list of the two texts of a pair. The process ends when its standard input closes. It imports only
what the artifact's runtime needs.
"""

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from pipeline.runtimes.base import Classifier, Description, load
from pipeline.tasks.base import DecisionRule
from pipeline.tasks.inputs import Input, of_json

OTHER_ENDED = "the process with which it takes turns has ended"
resource: ModuleType | None
try:
    import resource
except ImportError:  # on Windows
    resource = None


class Server:
    """Each request is a method; `load` must be the first."""

    def __init__(self) -> None:
        self._classifier: Classifier
        self._rule: DecisionRule

    def load(self, artifact: str, threads: int, cores: list[int], slowdown: float = 0.0) -> dict[str, Any]:
        """Pin this process and load the classifier. With `slowdown`, its calls take longer by that share of their time."""
        self.pin(cores)
        start = time.perf_counter_ns()
        self._classifier, self._rule = load(Path(artifact), threads), Description.read(Path(artifact)).rule
        self._slowdown = slowdown
        return {"load_ms": (time.perf_counter_ns() - start) / 1e6}

    def pin(self, cores: list[int]) -> dict[str, Any]:
        """Pin this process to these cores, with the threads that loading started; [] changes nothing."""
        tasks = Path("/proc/self/task")
        for thread in [int(task.name) for task in tasks.iterdir()] if cores and tasks.exists() else []:
            with contextlib.suppress(ProcessLookupError):  # it has ended
                os.sched_setaffinity(thread, cores)
        return {}

    def time(self, texts: Sequence[Input]) -> dict[str, Any]:
        """Single calls, each from one text to label and score: milliseconds, those of tokenization, number of tokens.

        For the whole block it returns wall time, CPU time of the process, and involuntary context switches.
        """
        classifier, rule, clock = self._classifier, self._rule, time.perf_counter_ns
        spent, tokenized, tokens = [], [], []
        switches, cpu, began = _switches(), time.process_time_ns(), clock()
        for text in texts:
            start = clock()
            inputs = classifier.encode([text])
            encoded = clock()
            decide(classifier.forward(*inputs), rule)
            if self._slowdown:
                _spin(start, self._slowdown)
            spent.append(clock() - start)
            tokenized.append(encoded - start)
            tokens.append(inputs[0].shape[1])
        wall, cpu = clock() - began, time.process_time_ns() - cpu
        switched = None if switches is None else (_switches() or 0) - switches
        return {
            "ms": [nanoseconds / 1e6 for nanoseconds in spent],
            "tokenize_ms": [nanoseconds / 1e6 for nanoseconds in tokenized],
            "tokens": tokens, "wall_ms": wall / 1e6, "cpu_ms": cpu / 1e6, "switches": switched,
        }  # fmt: skip

    def take_turns(
        self, texts: Sequence[Input], blocks: list[list[int]], warm: bool, pipe_ends: list[int]
    ) -> dict[str, Any]:
        """Answer blocks of these texts in turns with another process; each result is like that of `time`.

        A block is [start, end, whether to wait for the other process before it, whether to wake the other after it]; an
        empty block only waits. Processes wake each other by one byte through the pipes in `pipe_ends`, so no third process
        is busy. With `warm`, an untimed call (the text before the block) comes first, so the caches hold this classifier's
        data. Afterwards `main` closes the pipes, also after an error, so the other process never waits forever.
        """
        timed = []
        try:
            for start, stop, waits, wakes in blocks:
                if waits and not os.read(pipe_ends[0], 1):
                    raise EOFError(OTHER_ENDED)
                if warm and start < stop:
                    decide(self._classifier.logits([texts[start - 1]]), self._rule)
                if start < stop:
                    timed.append(self.time(texts[start:stop]))
                if wakes:
                    os.write(pipe_ends[1], b".")
        except BrokenPipeError:
            raise EOFError(OTHER_ENDED) from None
        return {"blocks": timed}

    def throughput(self, texts: Sequence[Input], batch_size: int, seconds: float = 0.0, batches: int = 1) -> dict[str, Any]:
        """Texts per second in batches, in the given order; one by one where the classifier answers so.

        It repeats all texts for at least `seconds` and `batches` batches.
        """
        size = batch_size if self._classifier.batch_independent else min(batch_size, self._classifier.batch_size)
        done, start = 0, time.perf_counter()
        while True:
            for i in range(0, len(texts), size):
                self._classifier.logits(texts[i : i + size])
            done += len(texts)
            spent = time.perf_counter() - start
            if spent >= seconds and done >= batches * batch_size:
                return {"texts_per_s": done / spent}

    def serve(self, texts: Sequence[Input], clients: int, seconds: float) -> dict[str, Any]:
        """Several clients at once, see `pipeline.evaluation.latency.serving`."""
        from pipeline.evaluation.latency.serving import serve

        def answer(text: Input) -> object:
            return decide(self._classifier.logits([text]), self._rule)

        return {"clients": serve(answer, texts, clients, seconds)}

    def predict(self, texts: str, logits: str, batch_size: int, fold: int | None = None) -> dict[str, Any]:
        """Write the logits of all texts of a JSON file, in its order, as a NumPy file: float32 (n, n_labels).

        With `fold` they are those of the classifier without that fold (see `pipeline.runtimes.crossfit`).
        """
        rows = [of_json(value) for value in json.loads(Path(texts).read_text(encoding="utf-8"))]
        np.save(logits, self._classifier.of_fold(fold).logits_by_length(rows, batch_size), allow_pickle=False)
        return {}

    def memory(self) -> dict[str, Any]:
        """In MB (2^20 bytes): `pss_mb`, the current proportional set size, and `peak_mb`, the peak resident memory so far.

        The proportional set size divides shared memory among the processes that share it. Only Linux reports it.
        """
        kilobytes = {"pss_mb": _proc_value(Path("/proc/self/smaps_rollup"), "Pss:"), "peak_mb": _peak_kb()}
        return {name: kb / 1024 for name, kb in kilobytes.items() if kb is not None}

    def tasks(self) -> dict[str, Any]:
        """The number of threads of this process, with those of the runtime; None where it is unknown."""
        count = _proc_value(Path("/proc/self/status"), "Threads:")
        return {"tasks": None if count is None else int(count)}


def _proc_value(file: Path, name: str) -> float | None:
    """A value from a file in /proc, in kilobytes or a count; None where it is missing."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((float(line.split()[1]) for line in lines if line.startswith(name)), None)


def _peak_kb() -> float | None:
    if sys.platform == "linux":  # ru_maxrss would include the parent's memory at the fork
        return _proc_value(Path("/proc/self/status"), "VmHWM:")
    if resource is not None:
        return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / (1024 if sys.platform == "darwin" else 1)
    import psutil

    return float(psutil.Process().memory_info().peak_wset) / 1024


def _spin(start: int, share: float) -> None:
    end = start + (1 + share) * (time.perf_counter_ns() - start)
    while time.perf_counter_ns() < end:
        pass


def _switches() -> int | None:
    """Involuntary context switches of this process so far; None where unknown."""
    if resource is None:
        return None
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw)


def decide(logits: np.ndarray, rule: DecisionRule) -> object:
    """The answer to one text and its score, from its logits: float32 (1, n_labels)."""
    return rule.answer_one(logits)


def main() -> None:
    """Answer requests until standard input closes."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # output of libraries goes to standard error
    server = Server()
    for line in sys.stdin:
        request = json.loads(line)
        method: Callable[..., dict[str, Any]] = getattr(server, request.pop("do"))
        try:
            if isinstance(request.get("texts"), list):
                request["texts"] = [of_json(value) for value in request["texts"]]
            answer = method(**request)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        finally:
            for end in request.get("pipe_ends", ()):
                os.close(end)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
