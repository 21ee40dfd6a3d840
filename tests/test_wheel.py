"""The wheel has all that a run needs, `conf/` too: installed in a fresh environment, it works from any directory."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import pytest

from pipeline.config import CONF
from pipeline.evaluation.latency.process import ROOT
from tests.conftest import small, write_csv
from tests.support.nobody import AS_NOBODY, NOBODY, POSSIBLE
from tests.support.runs import runs_of

pytestmark = pytest.mark.slow

QUICK = ["measure.queries=5", "measure.warmup_calls=1", "measure.max_seconds=0"]


def run(*command: str | Path, cwd: Path) -> str:
    """Standard output of a command that must succeed, in an environment that knows nothing of the repository."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel; dependencies are those of the environment that runs the tests, not copied.

    A path in a `.pth` file is not searched for further `.pth` files: an editable install there stays unseen.
    """
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT, cwd=folder)
    (wheel,) = folder.glob("*.whl")
    environment = folder / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=folder)
    python = environment / "bin" / "python"
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip())
    installed = [path for path in dict.fromkeys([sysconfig.get_path("purelib"), *sys.path]) if path.endswith("-packages")]
    (site / "dependencies.pth").write_text("\n".join(installed), encoding="utf-8")
    run(*pip, "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=folder)
    return environment


def test_the_installed_package_is_whole(fresh: Path, tmp_path: Path) -> None:
    found = run(
        fresh / "bin" / "python", "-P", "-c",
        "import pipeline, pipeline.config as c; print(pipeline.__file__); print(c.CONF)", cwd=tmp_path,
    ).split()  # fmt: skip
    package = Path(found[0]).parent
    assert package.is_relative_to(fresh) and Path(found[1]) == package / "conf"
    for source, target in ((CONF, package / "conf"), (ROOT / "pipeline", package)):
        wanted = {file.relative_to(source) for file in source.rglob("*") if file.suffix in (".py", ".yaml", ".csv", ".html")}
        assert wanted <= {file.relative_to(target) for file in target.rglob("*")} and len(wanted) > 30
    assert (package / "py.typed").is_file() and not list(package.rglob("*.png"))


def test_the_console_script_tells_help_and_mistakes(fresh: Path, tmp_path: Path) -> None:
    assert "distillation_onnx_int8" in run(fresh / "bin" / "pipeline", "--help", cwd=tmp_path)
    wrong = subprocess.run([fresh / "bin" / "pipeline", "optim=distilbrt"], cwd=tmp_path, capture_output=True, text=True)
    assert wrong.returncode == 2 and "no config 'distilbrt' in conf/optim; did you mean optim=distilbert?" in wrong.stderr


def test_a_job_runs_from_another_directory_by_a_user_without_a_name_and_a_home(
    fresh: Path, ready_database: Path, toy_rows: list[tuple[str, str]], request: pytest.FixtureRequest
) -> None:
    folder = Path(tempfile.mkdtemp(dir="/tmp"))  # pytest's own directories are for its user only
    request.addfinalizer(lambda: shutil.rmtree(folder))
    root = folder / "mlruns"
    (folder / "tmp").mkdir()
    root.mkdir()
    shutil.copy(ready_database, root / "mlflow.db")
    data = write_csv(folder / "toy.csv", toy_rows)
    for path in (folder, *folder.rglob("*")) if POSSIBLE else ():
        os.chown(path, NOBODY, NOBODY)
    kept = {name: os.environ[name] for name in ("PATH", "OMP_NUM_THREADS", "HF_HUB_OFFLINE")}
    env = {"HOME": "/", "TMPDIR": str(folder / "tmp"), "TQDM_DISABLE": "1", "PYTHONDONTWRITEBYTECODE": "1"} | kept
    words = [*small(root, data), *QUICK, "optim=baseline_onnx", "optim@baseline=baseline_onnx"]
    command = [*(AS_NOBODY if POSSIBLE else []), str(fresh / "bin" / "python"), "-P", "-m", "pipeline", *words]
    done = subprocess.run(command, cwd="/", env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "baseline_onnx *" in done.stdout and (root / "comparison" / "toy_tiny" / "comparison.png").is_file()
    assert [run.info.status for run in runs_of(root)] == ["FINISHED"]
