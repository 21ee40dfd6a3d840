"""People who use our Hub: each is a process with an empty cache of its own, in which one thing is done after the other."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from pipeline.evaluation.latency.process import ROOT
from tests.support.hub_standin import TOKEN, Hub
from tests.support.waiting import LIMIT_S

PUBLISHING = """
import json, logging, os, sys
from pathlib import Path
from pipeline.errors import UserError
from pipeline.deployment.card import Card
from pipeline.deployment.publish import check, upload

logging.basicConfig(level=logging.DEBUG)
for line in sys.stdin:
    action, repository, artifact, card, os.environ["HF_TOKEN"] = json.loads(line)
    card = Card(**card | {"plot": Path(artifact).parent / "comparison.png"})
    try:
        print(check(repository) if action == "check" else upload(Path(artifact), repository, card), flush=True)
    except UserError as error:
        logging.exception("with its traceback")
        print(error, flush=True)
"""
LOADING = """
import contextlib, io, json, os, shutil, sys

for line in sys.stdin:
    shutil.rmtree(os.environ["HF_HOME"], ignore_errors=True)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(json.loads(line), {})
    print(json.dumps(printed.getvalue()), flush=True)
"""


class Person:
    """A process that reads tasks, one a line, and answers each with a line."""

    def __init__(self, code: str, folder: Path, hub: Hub, **settings: str) -> None:
        folder.mkdir()
        self._log, pipe, env = folder / "log", subprocess.PIPE, environment(folder / "home", hub) | settings
        with self._log.open("w") as file:
            command = [sys.executable, "-c", code]
            self._process = subprocess.Popen(command, env=env, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=file, text=True)

    def does(self, task: Any) -> tuple[str, str]:
        """What is printed, which is one line, and what is logged."""
        assert self._process.stdin is not None and self._process.stdout is not None
        before = self._log.stat().st_size
        self._process.stdin.write(json.dumps(task) + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline(), self._log.read_bytes()[before:].decode()

    def runs(self, code: str) -> str:
        """What a program prints that is run with an empty cache."""
        line, log = self.does(code)
        assert line, log
        return str(json.loads(line))

    def __enter__(self) -> "Person":
        return self

    def __exit__(self, *_: object) -> None:
        rest = self._process.communicate(timeout=LIMIT_S)[0]
        assert not rest, "it printed more"


def environment(home: Path, hub: Hub) -> dict[str, str]:
    """HF_ENDPOINT leads a process to our Hub, which has no Xet storage."""
    others = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
    own = {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_TOKEN": TOKEN}
    return others | own | {"HF_HOME": str(home), "HF_ENDPOINT": hub.address}
