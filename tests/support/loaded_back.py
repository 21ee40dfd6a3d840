"""What `pipeline/deployment/serve/load_back.py` does, in processes forked from one that has imported MLflow.

It is run as a script with -I, as load_back.py is. It imports nothing of the package, so the registered code answers.
"""

import json
import os
import runpy
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PRELOADED = ("mlflow.pyfunc", "mlflow.store.tracking.sqlalchemy_store", "mlflow.store.model_registry.sqlalchemy_store",
             "onnxruntime", "tokenizers")  # fmt: skip


class Subprocess:
    """Takes the place of the module `subprocess` where load_back.py is started."""

    TimeoutExpired = subprocess.TimeoutExpired

    def __init__(self, server: "subprocess.Popen[str]") -> None:
        self._server, self._turn = server, threading.Lock()

    def run(self, command: list[str], env: dict[str, str], cwd: str, **_: Any) -> "subprocess.CompletedProcess[str]":
        assert command[1] == "-I" and self._server.stdin is not None and self._server.stdout is not None
        with self._turn:
            self._server.stdin.write(json.dumps({"argv": command[2:], "env": env, "cwd": cwd}) + "\n")
            self._server.stdin.flush()
            code = int(self._server.stdout.readline())
        return subprocess.CompletedProcess(command, code, "", Path(cwd, "stderr.txt").read_text())


@contextmanager
def running() -> Iterator[Any]:
    """A server that forks them; where processes are not forked, `subprocess` itself."""
    if sys.platform != "linux":
        yield subprocess
        return
    environment = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [sys.executable, "-I", __file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as server:
        yield Subprocess(server)
        assert server.stdin is not None
        server.stdin.close()


def _serve() -> None:
    for name in PRELOADED:
        __import__(name)
    for line in sys.stdin:
        number = os.fork() or _child(**json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]), flush=True)


def _child(argv: list[str], env: dict[str, str], cwd: str) -> int:
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    os.dup2(os.open("stderr.txt", os.O_WRONLY | os.O_CREAT), 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    code = 1
    try:
        sys.argv = argv
        runpy.run_path(argv[0], run_name="__main__")
        code = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
