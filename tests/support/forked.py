"""Processes that start at once: forked from a server that has imported the libraries, where starting up is not the subject.

It is imported in each of them, so it imports nothing slow.
"""

import contextlib
import fcntl
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver, util
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any
from unittest import mock

from pipeline.config import Config
from pipeline.sweep.process import MAX_TMPDIR_LENGTH, PRELOADED_MODULES
from tests.support.waiting import LIMIT_S

MODULES = [
    "onnxruntime",
    "transformers.models.bert.modeling_bert",
    "transformers.models.distilbert.modeling_distilbert",
    "pipeline.evaluation.latency.worker",
    *PRELOADED_MODULES,  # its last one freezes what was imported
]
WORKER = "pipeline.evaluation.latency.process.subprocess"


class Program:
    """`python -m pipeline ARGUMENTS`, with what `subprocess.Popen` has of it. It leads a session of its own."""

    def __init__(self, arguments: Sequence[str], env: Mapping[str, str], cwd: Path, stdin: str = "") -> None:
        self.args, self._told = arguments, tempfile.TemporaryDirectory()
        streams = [str(Path(self._told.name) / name) for name in ("in", "out", "err")]
        Path(streams[0]).write_text(stdin, encoding="utf-8")
        self._outputs = streams[1:]
        self._process = started(_program, tuple(arguments), dict(env), str(cwd), streams)
        self.pid = self._process.pid or 0
        self.kill = self._process.kill

    @property
    def returncode(self) -> int | None:
        """Its exit code, -n if signal n has killed it; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """The same."""
        return self._process.exitcode

    def communicate(self, timeout: float = LIMIT_S) -> tuple[str, str]:
        """Wait until it ends: what it printed, and its errors."""
        self._process.join(timeout)
        assert self._process.exitcode is not None, "it hangs"
        out, err = (Path(path).read_text(encoding="utf-8") if Path(path).exists() else "" for path in self._outputs)
        return out, err


def start(config: Config) -> BaseProcess:
    """Start a job."""
    return started(_run, config)


def program(*arguments: str, env: Mapping[str, str] | None = None, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """`python -m pipeline ARGUMENTS`, until it ends."""
    process = Program(arguments, os.environ if env is None else env, Path.cwd(), stdin)
    out, err = process.communicate()
    return subprocess.CompletedProcess(arguments, process.returncode or 0, out, err)


def workers() -> Any:
    """While this is entered, the worker processes that measure are forked too."""
    return mock.patch(WORKER, SimpleNamespace(PIPE=subprocess.PIPE, Popen=_Worker))


def started(target: Any, *arguments: Any) -> BaseProcess:
    """Start a module's function."""
    forked = sys.platform == "linux" and len(tempfile.gettempdir()) <= MAX_TMPDIR_LENGTH
    context: Any = multiprocessing.get_context("forkserver" if forked else "spawn")
    if forked:
        context.set_forkserver_preload(MODULES)
    process: BaseProcess = context.Process(target=target, args=arguments)
    server: Any = forkserver._forkserver
    known = server._forkserver_pid is None and server._forkserver_address is not None  # this process is forked from it
    with mock.patch.object(server, "ensure_running") if known else contextlib.nullcontext():
        process.start()
    return process


def _run(config: Config) -> None:
    from pipeline.run import run

    run(config)


def _program(arguments: tuple[str, ...], env: dict[str, str], directory: str, streams: list[str]) -> None:
    os.setsid()
    _enter(env, streams)
    os.chdir(directory)
    sys.path[:0] = [path for path in env.get("PYTHONPATH", "").split(os.pathsep) if path and path not in sys.path]
    if "sitecustomize" not in sys.modules:
        with contextlib.suppress(ModuleNotFoundError):
            __import__("sitecustomize")
    sys.argv[1:] = arguments
    workers().start()
    _fork_server()
    try:
        runpy.run_module("pipeline", run_name="__main__", alter_sys=True)
    finally:  # as a program ends: pools end their processes; a child process would wait for them first
        threading._shutdown()  # type: ignore[attr-defined]


def _enter(env: Mapping[str, str], streams: Sequence[str]) -> None:
    os.environ.clear()
    os.environ.update(env)
    tempfile.tempdir = None  # it may be another one
    for number, (path, flags) in enumerate(zip(streams, (os.O_RDONLY, *[os.O_WRONLY | os.O_CREAT] * 2), strict=True)):
        os.dup2(os.open(path, flags), number)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  as long as the process is there


def _fork_server() -> None:
    """Start the server of the program's own jobs. It is forked, while this process has one thread, so it imports nothing."""

    def fork(path: str, arguments: list[str], kept: Sequence[int]) -> int:
        number = os.fork()
        if number == 0:
            for descriptor in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
                if descriptor > 2 and descriptor not in kept:
                    with contextlib.suppress(OSError):
                        os.close(descriptor)
            with contextlib.suppress(SystemExit):
                exec(arguments[-1], {})
            os._exit(0)
        return number

    multiprocessing.get_context("forkserver").set_forkserver_preload(MODULES)  # type: ignore[union-attr]
    with mock.patch.object(util, "spawnv_passfds", fork):
        forkserver.ensure_running()


class _Worker:
    """`subprocess.Popen` of a worker process, as far as it is used."""

    def __init__(
        self, command: list[str], *, stdin: int, stdout: int, stderr: IO[bytes], env: dict[str, str], pass_fds: Sequence[int]
    ) -> None:
        (read_in, write_in), (read_out, write_out) = os.pipe(), os.pipe()
        own = [read_in, write_out, os.dup(stderr.fileno()), *map(os.dup, pass_fds)]
        passed = [Connection(descriptor) for descriptor in own]
        self._process = started(_worker, command[-1], env, passed, [0, 1, 2, *pass_fds])
        for connection in passed:
            connection.close()
        self.stdin, self.stdout = os.fdopen(write_in, "wb"), os.fdopen(read_out, "rb")
        self.pid, self.kill = self._process.pid, self._process.kill

    def wait(self) -> int:
        self._process.join()
        assert self._process.exitcode is not None
        return self._process.exitcode


def _worker(module: str, env: dict[str, str], passed: list["Connection[Any, Any]"], numbers: list[int]) -> None:
    os.environ.clear()
    os.environ.update(env)
    aside = [fcntl.fcntl(connection.fileno(), fcntl.F_DUPFD, 100) for connection in passed]
    for connection in passed:
        connection.close()
    for descriptor, number in zip(aside, numbers, strict=True):
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  as long as the process is there
    runpy.run_module(module, run_name="__main__", alter_sys=True)
