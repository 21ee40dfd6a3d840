"""Without a home directory or a user name: libraries get temporary places."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.evaluation.latency.process import ROOT
from pipeline.system import places
from tests.support.nobody import AS_NOBODY, NOBODY, POSSIBLE

LIBRARIES = (
    "HF_DATASETS_CACHE", "HF_EVALUATE_CACHE", "HF_METRICS_CACHE", "HF_MODULES_CACHE", "HF_XET_CACHE", "HF_HUB_CACHE",
    "MPLCONFIGDIR",
)  # fmt: skip


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


@pytest.mark.skipif(not POSSIBLE, reason="only root can be another user")
def test_without_home_and_user_name_both_are_there_afterwards() -> None:
    code = "from pipeline.system import places; places.prepare(); import getpass, pathlib; "
    done = as_nobody("-c", f"{code} print(getpass.getuser(), places.writable(pathlib.Path.home()))")
    assert (done.stdout, done.stderr) == (f"user-{NOBODY} True\n", "")
