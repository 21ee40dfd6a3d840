"""What the tests of sweeps share: a place to run them in, and a log of what was done when.

Each sweep runs in processes of its own (see `trouble.py` and `forked.py`), so this module imports nothing slow.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tests.support import forked
from tests.support.waiting import LIMIT_S

Rows = list[tuple[str, str]]  # text and label
ROOT = Path(__file__).resolve().parents[2]
HOWS = ("mistake", "raise", "exit", "_exit", "kill", "broken", "wait")
TROUBLE = """
defaults: [{base}, /schema/step/trouble@steps.trouble, _self_]
name: {name}
steps: {{trouble: {{kind: trouble, how: {how}}}}}
"""
UNTRAINED = """
defaults: [bert_base_random, _self_]
name: untrained
steps: {random_init: {num_layers: 1, num_heads: 2, intermediate_size: 8, hidden_size: 16}}
"""
TELLING = """import json, os
from hydra._internal.core_plugins import basic_sweeper

class Telling(basic_sweeper.BasicSweeper):
    def sweep(self, arguments):
        returns = super().sweep(arguments)
        values = [job.return_value for batch in returns for job in batch]
        with open(os.environ["PLACE"] + "/told.json", "w") as file:
            json.dump(values, file)
        return returns
"""


def entries(place: Path) -> list[dict[str, Any]]:
    """What was done so far."""
    log = place / "log.jsonl"
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()] if log.exists() else []


class Place:
    """A directory with all that a sweep needs and leaves; turns are taken within it only. `with` kills what still runs."""

    def __init__(self, folder: Path, database: Path, rows: Rows) -> None:
        from mlflow import MlflowClient

        from tests.conftest import write_csv

        self.folder, self.root, self.here, self.sessions = folder, folder / "mlruns", folder / "here", list[int]()
        self.temporary = Path(tempfile.mkdtemp(prefix="place-"))  # short enough for the socket of a server that forks jobs
        self.waiting = folder / "waiting"  # there, with the number of its process, once something waits
        for name in ("mlruns", "here", "site/hydra_plugins", "conf/optim"):
            (folder / name).mkdir(parents=True)
        self.client = MlflowClient(f"sqlite:///{shutil.copy(database, self.root / 'mlflow.db')}")
        (folder / "site" / "sitecustomize.py").write_text("from tests.support.trouble import register\n\nregister()\n")
        (folder / "site" / "hydra_plugins" / "telling.py").write_text(TELLING)
        optims = {how: TROUBLE.format(base="baseline_onnx", name=how, how=how) for how in HOWS}
        optims |= {"untrained": UNTRAINED, "idle": TROUBLE.format(base="tfidf", name="idle", how="wait")}
        for name, text in optims.items():
            (folder / "conf" / "optim" / f"{name}.yaml").write_text(text)
        write_csv(folder / "toy.csv", rows)

    def start(self, *arguments: str) -> forked.Program:
        """Start the program, with the tiny backbone and a baseline that is measured in a moment; a session of its own."""
        paths = {"PLACE": f"{self.folder}", "TMPDIR": f"{self.temporary}", "PYTHONPATH": f"{self.folder}/site:{ROOT}"}
        settings = {
            "optim@baseline": "baseline_onnx", "backbone": "tiny", "measure": "quick", "data": "files", "data.name": "toy",
            "data.train": self.folder / "toy.csv", "track.root": self.root,
        }  # fmt: skip
        given = {argument.partition("=")[0] for argument in arguments}
        small = [f"{key}={value}" for key, value in settings.items() if key not in given]
        flags = [*arguments[: arguments[0] == "-m"], "--config-dir", str(self.folder / "conf")]
        command = [*flags, *small, *arguments[len(flags) - 2 :]]
        env = {**os.environ, **paths, "TQDM_DISABLE": "1"}
        process = forked.Program(command, env, self.here)
        self.sessions.append(process.pid)
        return process

    def __enter__(self) -> "Place":
        return self

    def __exit__(self, *_: object) -> None:
        for number in (number for session in self.sessions for number in left_of(session)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        shutil.rmtree(self.temporary, ignore_errors=True)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments)
        told = process.communicate(timeout=LIMIT_S)
        return subprocess.CompletedProcess(process.args, process.returncode or 0, *told)

    def runs(self, condition: str = "") -> list[Any]:
        """MLflow's runs, from the first to the last."""
        experiment = self.client.get_experiment_by_name("toy/tiny").experiment_id
        return list(self.client.search_runs([experiment], condition, order_by=["attributes.start_time"]))

    def parents(self) -> list[Any]:
        return self.runs("tags.kind = 'sweep'")

    def statuses(self) -> dict[int, list[tuple[str, str]]]:
        found: dict[int, list[tuple[str, str]]] = {}  # job -> optimization and status of each of its runs
        for run in self.runs():
            if "job" in run.data.tags:
                found.setdefault(int(run.data.tags["job"]), []).append((run.data.tags["optim"], run.info.status))
        return found

    def log(self) -> list[dict[str, Any]]:
        return entries(self.folder)


def left_of(session: int) -> list[int]:
    """Processes that a session still has; those that have ended and that nobody asked about do not count."""
    import psutil  # not in every process of a sweep

    def is_left(process: psutil.Process) -> bool:
        with contextlib.suppress(OSError, psutil.Error):
            return os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE
        return False

    return [process.pid for process in psutil.process_iter() if is_left(process)]
