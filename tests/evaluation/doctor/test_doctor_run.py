"""`python -m pipeline doctor` from end to end: a run is found, its artifact too, the page is printed and kept."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from pipeline.cli import main
from pipeline.config import Config
from pipeline.steps.store import Recipe, Store
from tests.runtimes.test_compact import network, stored

pytestmark = pytest.mark.slow

Ask = Callable[..., tuple[int, str, str]]
FINGERPRINT = "ab" * 32


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stored(network(), tmp_path_factory.mktemp("artifact") / "torch")


def log_run(root: Path, data_hash: str, latency_ms: float | None = 2.0, **tags: str) -> str:
    """A finished run by hand."""
    client = MlflowClient(f"sqlite:///{root / 'mlflow.db'}")
    found = client.get_experiment_by_name("toy/tiny")
    number = found.experiment_id if found else client.create_experiment("toy/tiny", (root / "artifacts/toy").as_uri())
    known = {"optim": "baseline_onnx_int8", "fingerprint": FINGERPRINT, "data_hash": data_hash, "baseline": "bert"}
    run_id = str(client.create_run(number, tags=known | tags).info.run_id)
    if latency_ms is not None:
        client.log_metric(run_id, "latency/mean_ms", latency_ms)
    for name, value in (("", 3.0), ("_low", 2.9), ("_high", 3.1)):
        client.log_metric(run_id, f"delta/speedup{name}", value)
    client.set_terminated(run_id, "FINISHED")
    return run_id


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    def asked(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["pipeline", "doctor", *words])
        with pytest.raises(SystemExit) as caught:
            main()
        return int(caught.value.code or 0), *capsys.readouterr()

    return asked


def test_an_optimizations_newest_run_is_found_in_the_store_and_gets_the_page(
    root: Path, tiny: list[str], compose: Callable[..., Config], artifact: Path, ask: Ask
) -> None:
    data_hash = compose(*tiny).data.load(42).content_hash
    log_run(root, data_hash)
    run_id = log_run(root, data_hash, verdict="faster", contended="other processes used 1.0 cores")
    log_run(root, data_hash, latency_ms=None, kind="noise")  # newer, but it was not measured against the baseline
    recipe = Recipe("quantize_onnx_dynamic", FINGERPRINT, {}, {})

    def copy(target: Path, _: Path) -> dict[str, Any]:
        shutil.copytree(artifact, target, dirs_exist_ok=True)
        return {}

    Store(root).get_or_make(recipe, copy)
    code, out, err = ask("baseline_onnx_int8", *tiny)
    assert code == 0, err
    for text in (f"run {run_id}: runtime torch", "measured: 3.00x as fast as bert, 95 % interval 2.90 to 3.10: faster"):
        assert text in out
    assert "doubtful: other processes used 1.0 cores" in out and "18 texts of the test split" in out
    kept = MlflowClient(f"sqlite:///{root / 'mlflow.db'}").download_artifacts(run_id, "doctor.md")
    assert "torch runs operators one by one" in Path(kept).read_text(encoding="utf-8")
    assert ask("baseline_onnx", *tiny)[2].count("python -m pipeline optim=baseline_onnx") == 1


def test_a_run_id_is_enough_and_its_classifier_may_come_from_mlflow(
    root: Path, artifact: Path, ask: Ask, tiny: list[str]
) -> None:
    run_id = log_run(root, "other data")
    code, out, err = ask(run_id, *tiny)
    assert code == 2 and not out and err.count("\n") == 1 and "python -m pipeline optim=baseline_onnx_int8 first" in err
    MlflowClient(f"sqlite:///{root / 'mlflow.db'}").log_artifacts(run_id, str(artifact), "classifier")
    code, out, err = ask(run_id, f"track.root={root}")
    assert code == 0, err
    assert "8 fixed sentences" in out and "torch runs operators one by one" in out


def test_a_damaged_stage_is_not_examined(root: Path, artifact: Path, ask: Ask, tiny: list[str]) -> None:
    run_id = log_run(root, "other data")
    stage = root / "stages" / f"quantize_onnx_dynamic-{FINGERPRINT[:16]}"
    shutil.copytree(artifact, stage / "artifact")
    for content in (json.dumps({"fingerprint": FINGERPRINT, "files": {"lost": {}}}), "{"):
        (stage / "manifest.json").write_text(content, encoding="utf-8")
        assert ask(run_id, *tiny)[0] == 2


@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("baseline_onnx_in8", "neither a run id nor an optimization; did you mean baseline_onnx_int8?"),
        ("it's", "neither a run id nor an optimization"),
        ("baseline", "has no finished run yet"),
        ("bert_ort", "bert_ort is called baseline_onnx now"),
        ("0" * 32, ""),
        ("data.name=x", "name a run or an optimization first"),
    ],
)
def test_what_is_not_there_is_one_line_and_leaves_nothing_behind(
    word: str, told: str, fresh: bool, root: Path, tiny: list[str], ask: Ask, tmp_path: Path
) -> None:
    chosen = tmp_path / "new" if fresh else root
    code, out, err = ask(word, *tiny, f"track.root={chosen}")
    assert (code, out, err.count("\n")) == (2, "", 1) and told in err
    assert not (tmp_path / "new").exists() and not (root / "stages").exists()
    assert MlflowClient(f"sqlite:///{root / 'mlflow.db'}").get_experiment_by_name("toy/tiny") is None


def test_help_is_the_modules_own(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["pipeline", "doctor", "--help"])
    with pytest.raises(SystemExit):
        main()
    assert "python -m pipeline doctor distillation_onnx_int8" in capsys.readouterr().out
