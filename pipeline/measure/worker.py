"""The worker process: `python -m pipeline.measure.worker` loads one artifact and answers requests, one JSON a line.

    {"do": "load", "artifact": DIR, "threads": 1, "cores": [0]}        -> {"load_ms": ...}
    {"do": "time", "texts": [...]}                                     -> {"ms": [...]}       one call a text
    {"do": "throughput", "texts": [...], "batch_size": 32}             -> {"texts_per_s": ...}
    {"do": "predict", "texts": FILE, "logits": FILE, "batch_size": 32} -> {}                  in batches of like length
    {"do": "peak"}                                                     -> {"peak_mb": ...}

It ends when its standard input closes. Nothing is imported that the artifact's runtime does not need.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.classifiers.base import Classifier, load


class Server:
    """One method a request; the classifier is loaded by the first."""

    def __init__(self) -> None:
        self._classifier: Classifier

    def load(self, artifact: str, threads: int, cores: list[int]) -> dict[str, Any]:
        """Pin this process and load the classifier."""
        if cores:
            os.sched_setaffinity(0, cores)
        start = time.perf_counter_ns()
        self._classifier = load(Path(artifact), threads)
        return {"load_ms": (time.perf_counter_ns() - start) / 1e6}

    def time(self, texts: list[str]) -> dict[str, Any]:
        """Milliseconds of each single call: one text in, one label and score out."""
        classifier, clock, spent = self._classifier, time.perf_counter_ns, []
        for text in texts:
            start = clock()
            decide(classifier.logits([text])[0])
            spent.append(clock() - start)
        return {"ms": [nanoseconds / 1e6 for nanoseconds in spent]}

    def throughput(self, texts: list[str], batch_size: int) -> dict[str, Any]:
        """Texts a second, in batches as they come."""
        start = time.perf_counter()
        for i in range(0, len(texts), batch_size):
            self._classifier.logits(texts[i : i + batch_size])
        return {"texts_per_s": len(texts) / (time.perf_counter() - start)}

    def predict(self, texts: str, logits: str, batch_size: int) -> dict[str, Any]:
        """Logits of all texts of a JSON file, in its order, written as a NumPy file: float32 (n, n_labels)."""
        rows: list[str] = json.loads(Path(texts).read_text(encoding="utf-8"))
        by_length = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        result = np.empty((len(rows), len(self._classifier.labels)), dtype=np.float32)
        for start in range(0, len(rows), batch_size):
            batch = by_length[start : start + batch_size]
            result[batch] = self._classifier.logits([rows[i] for i in batch])
        np.save(logits, result, allow_pickle=False)
        return {}

    def peak(self) -> dict[str, Any]:
        """Peak resident memory so far, in MB (2^20 bytes)."""
        status = Path("/proc/self/status")
        if status.exists():  # ru_maxrss would count the parent's memory at the fork
            peak_kb = next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM"))
            return {"peak_mb": int(peak_kb) / 1024}
        unit = 1 if sys.platform == "darwin" else 1024  # bytes on macOS, else KB
        return {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20}


def decide(logits: np.ndarray) -> tuple[int, float]:
    """Label index and its softmax probability, from the logits of one text: (n_labels,)."""
    label = int(logits.argmax())
    return label, float(1 / np.exp(logits - logits[label]).sum())


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
