"""Runs that are killed or ended at any moment, or whose disk is full: they end well, and the same command goes on."""

import contextlib
import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.config import Config
from pipeline.evaluation.latency.process import ROOT
from tests.conftest import small, write_csv
from tests.support import forked
from tests.support.disks import small_disk
from tests.support.runs import runs_of
from tests.support.waiting import wait_for

pytestmark = pytest.mark.slow


def longer(tiny: list[str], epochs: int) -> list[str]:
    """A job in which torch trains, and that is measured in a moment."""
    rest = [item for item in tiny if ".epochs=" not in item]
    return ["optim=baseline_onnx", "optim@baseline=baseline_onnx", *rest, f"backbone.teacher.finetune.epochs={epochs}"]


def start(tiny: list[str], epochs: int) -> forked.Program:
    return forked.Program(longer(tiny, epochs), os.environ, ROOT)


def reached(moment: str, root: Path) -> bool:
    work = root / "stages" / ".work"
    return {
        "data is read": lambda: (root / "stages").exists(),
        "training": lambda: any(work.glob("*/scratch/checkpoint-*")),
        "a checkpoint is half written": lambda: len(list(work.glob("*/scratch/checkpoint-*"))) >= 2,
        "the artifact is being written": lambda: any(work.glob("*/stage/artifact/*")),
        "measuring": lambda: any((root / "stages").glob("export_onnx-*")),
    }[moment]()


def test_killed_at_five_moments_it_ends_well_each_time(
    compose: Callable[..., Config], tiny: list[str], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TQDM_DISABLE", "1")
    config = compose(*longer(tiny, epochs=6))
    moments = ("data is read", "training", "a checkpoint is half written", "the artifact is being written", "measuring")
    for number, moment in enumerate(moments):
        job = forked.start(config)
        while not any(reached(each, root) for each in moments[number:]):  # on a busy machine one may pass unseen
            assert job.is_alive(), f"ended before {moment}, with {job.exitcode}"
            time.sleep(0.002)
        job.kill()
        job.join()
    process = start(tiny, epochs=6)
    told = process.communicate()
    assert process.returncode == 0, told
    (stage,) = (root / "stages").glob("finetune-*")
    assert len(json.loads((stage / "manifest.json").read_text())["notes"]["curves"]) == 6
    statuses = [r.info.status for r in runs_of(root)]
    assert statuses[-1] == "FINISHED" and "RUNNING" not in statuses and statuses.count("KILLED") >= 3


def test_a_terminated_run_is_killed_in_mlflow_too(tiny: list[str], root: Path) -> None:
    process = start(tiny, epochs=500)
    while not reached("training", root):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGTERM)
    process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    (killed,) = runs_of(root)
    assert killed.info.status == "KILLED"


def test_a_full_disk_is_one_line_and_the_run_goes_on_when_there_is_room(
    toy_rows: list[tuple[str, str]], tmp_path: Path, ready_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TQDM_DISABLE", "1")
    with small_disk(12) as root:
        shutil.copy(ready_database, root / "mlflow.db")
        settings = longer([*small(root, write_csv(tmp_path / "toy.csv", toy_rows))], epochs=60)
        process = forked.Program(settings, os.environ, ROOT)
        wait_for(lambda: reached("a checkpoint is half written", root) or process.poll() is not None)
        with contextlib.suppress(OSError), (root / "other").open("wb") as other:
            while True:
                other.write(bytes(2**16))
                other.flush()
        _, err = process.communicate()
        assert process.returncode == 2 and "Traceback" not in err, err
        told = err.splitlines()[-1]
        assert told.startswith("disk error: "), err
        assert f"the disk at {root} is full" in told and "repeat the command" in told
        (failed,) = runs_of(root)
        assert failed.info.status == "FAILED" and told.removeprefix("disk error: ") in failed.data.tags["reason"]
        (root / "other").unlink()
        resumed = forked.Program(settings, os.environ, ROOT)
        _, err = resumed.communicate()
        assert resumed.returncode == 0 and "resuming the interrupted training from checkpoint-" in err, err
        assert [run.info.status for run in runs_of(root)] == ["FAILED", "FINISHED"]
