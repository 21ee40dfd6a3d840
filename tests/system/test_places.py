"""Without a home directory or a user name: libraries get temporary places, and a whole run passes."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pipeline.config import Track
from pipeline.evaluation.latency.process import ROOT
from pipeline.system import places
from pipeline.tracking.runs import Tracker
from pipeline.tracking.server import connect
from tests.conftest import small, write_csv

LIBRARIES = (
    "HF_DATASETS_CACHE", "HF_EVALUATE_CACHE", "HF_METRICS_CACHE", "HF_MODULES_CACHE", "HF_XET_CACHE", "HF_HUB_CACHE",
    "MPLCONFIGDIR",
)  # fmt: skip
NOBODY = 54321  # a user id without a name
AS_NOBODY = [  # root's own files can be read, but not written
    "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=+dac_read_search",
    "--ambient-caps=+dac_read_search",
]  # fmt: skip


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No variable of a library is set; temporary files go to a directory of the test, which is returned."""
    for variable in (*LIBRARIES, "HF_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "USER"):
        monkeypatch.setenv(variable, "")  # so that it is restored
        monkeypatch.delenv(variable)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_a_home_that_can_be_used_is_used(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(environment))
    places.prepare()
    assert os.environ["HOME"] == str(environment) and not any(variable in os.environ for variable in LIBRARIES)


@pytest.mark.parametrize("home", ["/nonexistent", "/dev/null", "~"])
def test_without_a_home_there_is_a_temporary_one(home: str, environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", home)
    places.prepare()
    assert Path.home().is_relative_to(environment) and places.writable(Path.home())


def test_downloaded_models_in_a_directory_that_can_only_be_read_are_still_used(
    environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models, real = environment / "models", os.access
    (models / "hub").mkdir(parents=True)
    monkeypatch.setenv("HF_HOME", str(models))
    monkeypatch.setattr(os, "access", lambda path, mode: not Path(path).is_relative_to(models) and real(path, mode))
    places.prepare()
    assert "HF_HUB_CACHE" not in os.environ and os.environ["HF_HOME"] == str(models)
    assert places.writable(Path(os.environ["HF_EVALUATE_CACHE"])) and places.writable(Path(os.environ["HF_DATASETS_CACHE"]))


def test_without_a_temporary_directory_one_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr("tempfile.gettempdir", none)
    with pytest.raises(places.PlaceError, match="set TMPDIR"):
        places.temporary()


def as_nobody(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Python, in a process of a user without a name."""
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"} | environment
    return subprocess.run([*AS_NOBODY, sys.executable, *arguments], env=env, cwd="/", capture_output=True, text=True)


only_root = pytest.mark.skipif(
    sys.platform != "linux" or os.getuid() != 0 or not shutil.which("setpriv"), reason="only root can be another user"
)


@only_root
def test_without_home_and_user_name_both_are_there_afterwards() -> None:
    code = "from pipeline.system import places; places.prepare(); import getpass, pathlib; "
    done = as_nobody("-c", f"{code} print(getpass.getuser(), places.writable(pathlib.Path.home()))")
    assert (done.stdout, done.stderr) == (f"user-{NOBODY} True\n", "")


@pytest.mark.slow
@only_root
def test_a_whole_run_by_a_user_without_a_name_and_a_home(
    ready_database: Path, toy_rows: list[tuple[str, str]], request: pytest.FixtureRequest
) -> None:
    folder = Path(tempfile.mkdtemp(dir="/tmp"))  # pytest's own directories are for its user only
    request.addfinalizer(lambda: shutil.rmtree(folder))
    root = folder / "mlruns"
    (folder / "tmp").mkdir()
    root.mkdir()
    shutil.copy(ready_database, root / "mlflow.db")
    data = write_csv(folder / "toy.csv", toy_rows)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    settings = ["optim=baseline_onnx", "optim@baseline=baseline_onnx", *small(root, data)]
    kept = {name: os.environ[name] for name in ("OMP_NUM_THREADS", "HF_HUB_OFFLINE")}
    done = as_nobody("-m", "pipeline", *settings, HOME="/", TMPDIR=str(folder / "tmp"), TQDM_DISABLE="1", **kept)
    assert done.returncode == 0, done.stderr
    tracker = Tracker(connect(Track(root=str(root))), "toy/tiny")
    assert [run.info.status for run in tracker.client.search_runs([tracker.experiment_id])] == ["FINISHED"]
