"""Processes that start at once: forked from a server that has imported the libraries, where starting up is not the subject.

It is imported in each of them, so it imports nothing slow.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from pipeline.config import Config
from pipeline.sweep.process import MAX_TMPDIR_LENGTH, PRELOADED_MODULES
from tests.support.sweeping import LIMIT_S


def start(config: Config) -> BaseProcess:
    """Start a job."""
    return _started(_run, config)


def program(*arguments: str, env: Mapping[str, str] | None = None, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """`python -m pipeline ARGUMENTS`, until it ends."""
    with tempfile.TemporaryDirectory() as folder:
        streams = [Path(folder) / name for name in ("in", "out", "err")]
        streams[0].write_text(stdin, encoding="utf-8")
        process = _started(_program, arguments, dict(os.environ if env is None else env), str(Path.cwd()), streams)
        process.join(LIMIT_S)
        assert process.exitcode is not None, "it hangs"
        told = [path.read_text(encoding="utf-8") if path.exists() else "" for path in streams[1:]]
        return subprocess.CompletedProcess(arguments, process.exitcode, *told)


def _started(target: Any, *arguments: Any) -> BaseProcess:
    forked = sys.platform == "linux" and len(tempfile.gettempdir()) <= MAX_TMPDIR_LENGTH
    context: Any = multiprocessing.get_context("forkserver" if forked else "spawn")
    if forked:
        context.set_forkserver_preload(PRELOADED_MODULES)
    process: BaseProcess = context.Process(target=target, args=arguments)
    process.start()
    return process


def _run(config: Config) -> None:
    from pipeline.run import run

    run(config)


def _program(arguments: tuple[str, ...], env: dict[str, str], directory: str, streams: list[Path]) -> None:
    os.environ.clear()
    os.environ.update(env)
    os.chdir(directory)
    for number, (path, flags) in enumerate(zip(streams, (os.O_RDONLY, *[os.O_WRONLY | os.O_CREAT] * 2), strict=True)):
        os.dup2(os.open(path, flags), number)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  as long as the process is there
    sys.argv[1:] = arguments
    runpy.run_module("pipeline", run_name="__main__", alter_sys=True)
