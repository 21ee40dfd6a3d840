"""Servers of MLflow, for tests: real processes on a loopback port."""

import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.commands.ui import command
from pipeline.evaluation.latency.process import ROOT

ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "MLFLOW_DISABLE_TELEMETRY": "true"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def mlflow_server(root: Path) -> Iterator[str]:
    """The address of a running `mlflow server` on a root directory."""
    port = free_port()
    quiet = ENVIRONMENT | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    log = root.parent / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command(root, port), cwd=root.parent, env=quiet, stdout=output, stderr=output)
    try:
        while True:
            assert process.poll() is None, log.read_text()
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
                    assert answer.read() == b"OK"
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()
