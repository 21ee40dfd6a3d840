"""The worker process: it loads an artifact and answers requests, one JSON a line.

    {"do": "load", "artifact": DIR, "threads": 1, "cores": [0]}        -> {"load_ms": ...}
    {"do": "pin", "cores": [0]}                                        -> {}
    {"do": "time", "texts": [...]}                                     -> {"ms": [...], ...}  a block: one call a text
    {"do": "relay", "texts": [...], "blocks": [[0, 10, 0, 1], ...], "warm": true, "hands": [3, 6]}
                                                                       -> {"blocks": [...]}   each as "time" answers
    {"do": "throughput", "texts": [...], "batch_size": 32}             -> {"texts_per_s": ...}
    {"do": "serve", "texts": [...], "clients": 4, "seconds": 1.5}      -> {"clients": [...]}  several threads that ask
    {"do": "predict", "texts": FILE, "logits": FILE, "batch_size": 32} -> {}                  in batches of like length
    {"do": "memory"}                                                   -> {"peak_mb": ...}    what the platform tells
    {"do": "tasks"}                                                    -> {"tasks": 1}        threads of the process

It ends when its standard input closes. Nothing is imported that the artifact's runtime does not need.
"""

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from pipeline.runtimes.base import Classifier, Description, load
from pipeline.runtimes.decision_rule import Rule

OTHER_ENDED = "the process that it took turns with has ended"
resource: ModuleType | None
try:
    import resource
except ImportError:  # on Windows
    resource = None


class Server:
    """One method a request; the classifier is loaded by the first."""

    def __init__(self) -> None:
        self._classifier: Classifier
        self._rule: Rule

    def load(self, artifact: str, threads: int, cores: list[int], slowdown: float = 0.0) -> dict[str, Any]:
        """Pin this process and load the classifier; with `slowdown`, its calls take longer by that share of their time."""
        self.pin(cores)
        start = time.perf_counter_ns()
        self._classifier, self._rule = load(Path(artifact), threads), Description.read(Path(artifact)).rule
        self._slowdown = slowdown
        return {"load_ms": (time.perf_counter_ns() - start) / 1e6}

    def pin(self, cores: list[int]) -> dict[str, Any]:
        """Pin this process, the threads that loading has started included, to these cores; [] changes nothing."""
        tasks = Path("/proc/self/task")
        for thread in [int(task.name) for task in tasks.iterdir()] if cores and tasks.exists() else []:
            with contextlib.suppress(ProcessLookupError):  # it has ended
                os.sched_setaffinity(thread, cores)
        return {}

    def time(self, texts: list[str]) -> dict[str, Any]:
        """Single calls, one text in, one label and score out: milliseconds of each, tokenization's part, tokens.

        Besides, of the whole block: wall time, the process's processor time, involuntary context switches.
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
        waited = None if switches is None else (_switches() or 0) - switches
        return {
            "ms": [nanoseconds / 1e6 for nanoseconds in spent],
            "tokenize_ms": [nanoseconds / 1e6 for nanoseconds in tokenized],
            "tokens": tokens, "wall_ms": wall / 1e6, "cpu_ms": cpu / 1e6, "switches": waited,
        }  # fmt: skip

    def relay(self, texts: list[str], blocks: list[list[int]], warm: bool, pipe_ends: list[int]) -> dict[str, Any]:
        """Answer blocks of these texts in turns with another process; each as `time` answers.

        A block is where it starts and ends, whether to wait for the other before it and whether to wake the other after it;
        an empty one only waits. That is done with a byte through the pipes in `pipe_ends`: so no third process is
        busy. With `warm`, the text before a block's first one comes first, not timed: then caches are as this classifier
        leaves them. In the end the pipes are closed, after an error too, so the other never waits in vain.
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
        finally:
            for end in pipe_ends:
                os.close(end)
        return {"blocks": timed}

    def throughput(self, texts: list[str], batch_size: int, seconds: float = 0.0, batches: int = 1) -> dict[str, Any]:
        """Texts a second, in batches as they come: all texts, again and again for at least so long and so many batches."""
        done, start = 0, time.perf_counter()
        while True:
            for i in range(0, len(texts), batch_size):
                self._classifier.logits(texts[i : i + batch_size])
            done += len(texts)
            spent = time.perf_counter() - start
            if spent >= seconds and done >= batches * batch_size:
                return {"texts_per_s": done / spent}

    def serve(self, texts: list[str], clients: int, seconds: float) -> dict[str, Any]:
        """Several clients at once; see `pipeline.evaluation.latency.serving`."""
        from pipeline.evaluation.latency.serving import serve

        def answer(text: str) -> object:
            return decide(self._classifier.logits([text]), self._rule)

        return {"clients": serve(answer, texts, clients, seconds)}

    def predict(self, texts: str, logits: str, batch_size: int) -> dict[str, Any]:
        """Logits of all texts of a JSON file, in its order, written as a NumPy file: float32 (n, n_labels)."""
        rows: list[str] = json.loads(Path(texts).read_text(encoding="utf-8"))
        np.save(logits, self._classifier.logits_by_length(rows, batch_size), allow_pickle=False)
        return {}

    def memory(self) -> dict[str, Any]:
        """In MB (2^20 bytes): `pss_mb`, the proportional set size now, and `peak_mb`, the peak resident memory so far.

        The proportional set size counts memory that several processes share as their share of it; only Linux tells it.
        """
        told = {"pss_mb": _metric(Path("/proc/self/smaps_rollup"), "Pss:"), "peak_mb": _peak_metric()}
        return {name: kb / 1024 for name, kb in told.items() if kb is not None}

    def tasks(self) -> dict[str, Any]:
        """How many threads this process has, those included that the runtime has started; None where it is not told."""
        count = _metric(Path("/proc/self/status"), "Threads:")
        return {"tasks": None if count is None else int(count)}


def _metric(file: Path, name: str) -> float | None:
    """A metric of a file of /proc, kilobytes or a count; None where it is not told."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((float(line.split()[1]) for line in lines if line.startswith(name)), None)


def _peak_metric() -> float | None:
    if sys.platform == "linux":  # ru_maxrss would count the parent's memory at the fork
        return _metric(Path("/proc/self/status"), "VmHWM:")
    if resource is not None:
        return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / (1024 if sys.platform == "darwin" else 1)
    import psutil

    return float(psutil.Process().memory_info().peak_wset) / 1024


def _spin(start: int, share: float) -> None:
    end = start + (1 + share) * (time.perf_counter_ns() - start)
    while time.perf_counter_ns() < end:
        pass


def _switches() -> int | None:
    """Involuntary context switches of this process so far; None where it is not told."""
    if resource is None:
        return None
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw)


def decide(logits: np.ndarray, rule: Rule) -> tuple[int, float]:
    """Label index and its score, from the logits of one text: float32 (1, n_labels)."""
    if not rule.plain:
        labels, scores, _ = rule.answer(logits)
        return int(labels[0]), float(scores[0])
    label = int(logits[0].argmax())
    return label, float(1 / np.exp(logits[0] - logits[0, label]).sum())


def main() -> None:
    """Answer requests until standard input closes."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints goes to standard error
    server = Server()
    for line in sys.stdin:
        request = json.loads(line)
        method: Callable[..., dict[str, Any]] = getattr(server, request.pop("do"))
        try:
            answer = method(**request)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
