"""The parent's side of a worker process: start it, ask, block until it answers. The parent never spins."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from pipeline.errors import MeasureError

ROOT = Path(__file__).resolve().parents[2]
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")
FIXED_VARIABLES = {"HF_HUB_OFFLINE": "1", "OMP_WAIT_POLICY": "PASSIVE"}  # idle threads must not spin


def cores_for(threads: int) -> list[int]:
    """The cores that a worker is pinned to: the last `threads` that this process may use; [] where pinning is unknown."""
    if not hasattr(os, "sched_getaffinity"):
        return []
    return sorted(os.sched_getaffinity(0))[-threads:]


class Worker:
    """A worker process with one artifact loaded; use it in a `with` statement, which ends the process.

    `load_ms` is the time it took to load the artifact, imports included. Raises MeasureError when the process dies or
    answers with an error.
    """

    def __init__(self, artifact: Path, threads: int) -> None:
        self._artifact = artifact
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  closed by close()
        environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads)) | FIXED_VARIABLES
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        command = [sys.executable, "-m", "pipeline.measure.worker"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, env=environment, text=True
        )
        try:
            answer = self.ask("load", artifact=str(artifact), threads=threads, cores=cores_for(threads))
        except BaseException:
            self.close()
            raise
        self.load_ms = float(answer["load_ms"])

    def ask(self, request: str, **arguments: Any) -> dict[str, Any]:
        """One request, answered."""
        assert self._process.stdin is not None and self._process.stdout is not None
        line = ""
        try:
            self._process.stdin.write(json.dumps({"do": request, **arguments}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            pass  # it died; the empty line says so
        if not line:
            raise MeasureError(f"the worker for {self._artifact} ended with {self._process.wait()}: {self._last_words()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise MeasureError(f"{self._artifact}: {answer['error']}")
        return answer

    def time(self, texts: list[str]) -> np.ndarray:
        """Milliseconds of each single call: float64 (len(texts),)."""
        return np.array(self.ask("time", texts=texts)["ms"])

    def logits(self, texts: list[str], batch_size: int) -> np.ndarray:
        """Logits of all texts: float32 (len(texts), n_labels)."""
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder) / "texts.json", Path(folder) / "logits.npy"
            source.write_text(json.dumps(texts), encoding="utf-8")
            self.ask("predict", texts=str(source), logits=str(target), batch_size=batch_size)
            result: np.ndarray = np.load(target, allow_pickle=False)
            return result

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
