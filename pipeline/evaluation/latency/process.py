"""The parent's side of a worker process: start it, send requests, block until it answers. The parent never spins."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from pipeline.errors import MeasureError
from pipeline.evaluation.latency.samples import Block
from pipeline.tasks.inputs import Input

ROOT = Path(__file__).resolve().parents[3]
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")
FIXED_VARIABLES = {"HF_HUB_OFFLINE": "1", "OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}  # idle threads must not spin


@dataclass(frozen=True)
class TimedBlock:
    """A worker's times for a block of single calls; see `pipeline.evaluation.latency.samples.Samples`."""

    ms: np.ndarray  # float64 (texts,)
    tokenize_ms: np.ndarray  # float64 (texts,)
    tokens: np.ndarray  # int64 (texts,)
    block: Block


class Worker:
    """A worker process with one artifact loaded. Use it in a `with` statement, which ends the process.

    It is pinned to `cores` ([]: not pinned) and starts to load immediately; `load_ms` and every request wait for that. With
    `slowdown`, its timed calls take longer by that share. It inherits `pipe_ends`, the pipes by which it takes turns with
    another worker. Every request raises MeasureError when the process died, could not load or answers with an error.
    """

    def __init__(
        self, artifact: Path, threads: int, cores: Sequence[int] = (), slowdown: float = 0.0, pipe_ends: Sequence[int] = ()
    ) -> None:
        self._artifact = artifact
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  closed by close()
        environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads)) | FIXED_VARIABLES
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        command = [sys.executable, "-m", "pipeline.evaluation.latency.worker"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, env=environment, pass_fds=pipe_ends
        )
        self._loaded: dict[str, Any] | None = None
        self._send("load", artifact=str(artifact), threads=threads, cores=list(cores), slowdown=slowdown)

    @property
    def load_ms(self) -> float:
        """The time to load the artifact, imports included."""
        if self._loaded is None:
            self._loaded = self._answer()
        return float(self._loaded["load_ms"])

    def ask(self, request: str, **arguments: Any) -> dict[str, Any]:
        """Send a request and wait for its answer."""
        assert self.load_ms >= 0  # it waits for the first answer
        self._send(request, **arguments)
        return self._answer()

    def _send(self, request: str, **arguments: Any) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it died; `_answer` then finds no answer
            self._process.stdin.write(json.dumps({"do": request, **arguments}).encode() + b"\n")
            self._process.stdin.flush()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise MeasureError(
                f"the worker for {self._artifact} ended with exit code {self._process.wait()}: {self._last_error_line()}"
            )
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise MeasureError(f"{self._artifact}: {answer['error']}")
        return answer

    def pin(self, cores: Sequence[int]) -> None:
        """Pin the process, with all its threads, to other cores; [] changes nothing."""
        self.ask("pin", cores=list(cores))

    def time(self, texts: Sequence[Input]) -> TimedBlock:
        """Time a block of single calls."""
        return _timed(self.ask("time", texts=texts))

    def begin(self, request: str, **arguments: Any) -> None:
        """Send a request without waiting; `blocks` fetches the answer. So another worker can work meanwhile."""
        assert self.load_ms >= 0  # it waits for the first answer
        self._send(request, **arguments)

    def blocks(self) -> list[TimedBlock]:
        """The answer to a `take_turns` request that `begin` sent."""
        return [_timed(block) for block in self._answer()["blocks"]]

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def logits(self, texts: Sequence[Input], batch_size: int, fold: int | None = None) -> np.ndarray:
        """Logits of all texts: float32 (len(texts), n_labels); of the classifier `of_fold`."""
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder) / "texts.json", Path(folder) / "logits.npy"
            source.write_text(json.dumps(texts), encoding="utf-8")
            self.ask("predict", texts=str(source), logits=str(target), batch_size=batch_size, fold=fold)
            result: np.ndarray = np.load(target, allow_pickle=False)
            return result

    def _last_error_line(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it printed no error"

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


def _timed(answer: dict[str, Any]) -> TimedBlock:
    block = Block(len(answer["ms"]), answer["wall_ms"], answer["cpu_ms"], answer["switches"])
    return TimedBlock(np.array(answer["ms"]), np.array(answer["tokenize_ms"]), np.array(answer["tokens"], np.int64), block)
