"""Multiruns, as a user starts them: in a process of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.measure.process import ROOT
from tests.test_run import runs_of


def sweep(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TQDM_DISABLE": "1"}
    return subprocess.run(
        [sys.executable, "-m", "pipeline", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
    )


@pytest.mark.parametrize("flag_first", [True, False])
def test_a_sweep_runs_every_job_under_one_sweep_id(flag_first: bool, tiny: list[str], root: Path, tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    jobs = ["optim=bert,distilbert", *tiny]
    done = sweep(here, *(["-m", *jobs] if flag_first else [*jobs, "-m"]))
    assert done.returncode == 0, done.stderr
    runs = runs_of(root)
    assert [run.data.tags["optim"] for run in runs] == ["bert", "distilbert"]
    assert len({run.data.tags["sweep_id"] for run in runs}) == 1
    assert {run.info.status for run in runs} == {"FINISHED"} and not list(here.iterdir())


def test_a_job_that_fails_does_not_stop_the_others(tiny: list[str], root: Path, tmp_path: Path) -> None:
    missing = tmp_path / "missing.csv"
    settings = [item for item in tiny if not item.startswith("data.train=")]
    done = sweep(tmp_path, "-m", "optim=bert", f"data.train={missing},{tmp_path / 'toy.csv'}", *settings)
    assert done.returncode == 2 and done.stderr.count(f"{missing}: no such file") == 1, done.stderr
    assert [run.info.status for run in runs_of(root)] == ["FINISHED"]


def test_an_optimization_is_added_with_one_file(tiny: list[str], root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine" / "optim"
    folder.mkdir(parents=True)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (folder / "quick_bert.yaml").write_text(readme.partition("```yaml\n")[2].partition("```")[0], encoding="utf-8")
    done = sweep(tmp_path, "--config-dir", str(folder.parent), "optim=quick_bert", *tiny)
    assert done.returncode == 0, done.stderr
    assert [run.data.tags["optim"] for run in runs_of(root)] == ["bert", "quick_bert"]
