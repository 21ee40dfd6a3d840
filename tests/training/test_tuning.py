"""A search keeps to its ranges, stops what is hopeless, survives a kill at any point, and is seen in MLflow."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mlflow import MlflowClient

from pipeline.config import Config
from pipeline.errors import ConfigError
from pipeline.evaluation.latency.process import ROOT
from pipeline.models.build import start
from pipeline.run import run
from pipeline.training.trainer import train
from pipeline.training.tuning import Space, search
from tests.conftest import small
from tests.training.test_trainer import RECIPE, Interrupted

SPACES = {
    "epochs": Space(2, 4, whole=True), "alpha": Space(0.25, 0.75), "temperature": Space(3, 3),
    "learning_rate": Space(1e-4, 1.0, log=True),
}  # fmt: skip


def accuracy(settings: dict[str, float]) -> float:
    """A training, as it were: best where alpha is 0.6; nothing else matters."""
    return 1 - abs(settings["alpha"] - 0.6)


def scripted(*trials: list[float]) -> Callable[..., float]:
    """Trainings whose validation accuracies, epoch by epoch, are given; they say what the Trainer says."""
    remaining = iter(trials)

    def training(settings: dict[str, float], folder: Path, reporter: Any) -> float:
        epochs = next(remaining)
        for epoch, reached in enumerate(epochs, 1):
            reporter.on_evaluate(None, SimpleNamespace(epoch=float(epoch)), None, metrics={"eval_accuracy": reached})
        return max(epochs)

    return training


def trained(settings: dict[str, float], folder: Path, reporter: Any) -> float:
    return scripted([accuracy(settings)] * int(settings["epochs"]))(settings, folder, reporter)


def found(
    scratch: Path, training: Callable[..., float] = trained, n_trials: int = 5
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What a search returns, and the trials it told of."""
    told: list[dict[str, Any]] = []
    return search(SPACES, n_trials, 7, scratch, training, told.append), told


def test_values_lie_within_their_ranges_and_the_best_trial_is_found(tmp_path: Path) -> None:
    result, told = found(tmp_path, n_trials=12)
    assert result["trials"] == told and len(told) == 12
    chosen = [trial["settings"] for trial in told]
    assert all(set(settings) == set(SPACES) for settings in chosen)
    assert all(SPACES[name].low <= value <= SPACES[name].high for settings in chosen for name, value in settings.items())
    assert {type(settings["epochs"]) for settings in chosen} == {int} and {s["epochs"] for s in chosen} == {2, 3, 4}
    assert sum(settings["learning_rate"] < 0.01 for settings in chosen) >= 3  # on a logarithmic scale, half of them
    best = max((trial for trial in told if trial["state"] == "finished"), key=lambda trial: trial["value"])
    assert result["best"] == best["settings"] and result["best_value"] == best["value"] == accuracy(result["best"])
    assert json.loads(json.dumps(result)) == result


def test_a_trial_below_the_median_of_the_others_is_stopped_but_none_of_the_first_three_nor_in_its_first_epoch(
    tmp_path: Path,
) -> None:
    good, bad, hopeless, late = [0.5, 0.6, 0.7], [0.2, 0.2, 0.2], [0.4, 0.3, 0.9], [0.1, 0.65, 0.8]
    _, told = found(tmp_path, scripted(good, good, bad, hopeless, late, good), n_trials=6)
    assert [trial["epochs"] for trial in told] == [good, good, bad, [0.4, 0.3], late, good]
    assert [trial["state"] for trial in told] == [*["finished"] * 3, "stopped early", *["finished"] * 2]
    assert [trial["value"] for trial in told] == [0.7, 0.7, 0.2, 0.4, 0.8, 0.7]  # of the epoch that is best


def test_half_a_line_that_a_kill_left_in_the_journal_does_no_harm(tmp_path: Path) -> None:
    _, before = found(tmp_path, n_trials=3)
    with (tmp_path / "study.log").open("r+b") as journal:
        journal.write(journal.readlines()[-1][:20])
    _, after = found(tmp_path, n_trials=5)
    assert after[:3] == before and len(after) == 5


KILLED = """
import json, os, signal, sys
from pathlib import Path
from types import SimpleNamespace
from pipeline.training.tuning import Space, search

def training(settings, folder, reporter):
    folder.mkdir()
    (folder / "checkpoint").write_text(json.dumps(settings))
    reporter.on_evaluate(None, SimpleNamespace(epoch=1.0), None, metrics={"eval_accuracy": 0.5})
    if len(list(folder.parent.glob("ended-*"))) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    (folder.parent / f"ended-{folder.name}").write_text(json.dumps(settings))
    return 0.5

spaces = {name: Space(**values) for name, values in json.loads(sys.argv[2]).items()}
search(spaces, 5, 7, Path(sys.argv[1]), training, lambda trial: None)
"""


@pytest.mark.slow
def test_killed_in_its_third_trial_it_tries_that_one_again_and_none_that_ended(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-c",
        KILLED,
        str(tmp_path),
        json.dumps({key: asdict(space) for key, space in SPACES.items()}),
    ]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert process.returncode == -signal.SIGKILL, process.stderr
    ended = [json.loads(file.read_text()) for file in tmp_path.glob("ended-*")]
    (interrupted,) = [json.loads(file.read_text()) for file in tmp_path.glob("trial-*/checkpoint")]
    begun: list[tuple[dict[str, float], bool]] = []

    def training(settings: dict[str, float], folder: Path, reporter: Any) -> float:
        begun.append((settings, (folder / "checkpoint").exists()))
        return trained(settings, folder, reporter)

    result, told = found(tmp_path, training)
    assert begun[0] == (interrupted, True) and [there for _, there in begun[1:]] == [False, False]
    assert result["trials"] == told and len(told) == 5
    assert sorted(map(str, ended)) == sorted(str(trial["settings"]) for trial in told[:2])
    assert [trial["settings"] for trial in told[2:]] == [settings for settings, _ in begun]


@pytest.mark.slow
def test_a_trial_that_is_gone_on_with_has_the_accuracies_of_the_epochs_before_the_kill(
    compose: Callable[..., Config], tiny: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = compose(*tiny)
    splits = config.data.load(0)

    def training(settings: dict[str, float], folder: Path, reporter: Any) -> float:
        model, tokenizer = start(config.backbone, "teacher", splits.labels, 0)
        curves = train(model, tokenizer, splits.train, splits.validation, RECIPE, folder, callbacks=[reporter])
        return max(epoch["validation_accuracy"] for epoch in curves)

    _, (whole,) = found(tmp_path / "whole", training, n_trials=1)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("pipeline.training.trainer.Progress", Interrupted)
        found(tmp_path / "killed", training, n_trials=1)
    with caplog.at_level("INFO", logger="pipeline"):
        _, (resumed,) = found(tmp_path / "killed", training, n_trials=1)
    assert "resuming the interrupted training" in caplog.text
    assert resumed["epochs"] == whole["epochs"] and resumed["value"] == whole["value"]


def test_the_importance_is_that_of_the_setting_that_matters_and_none_where_trials_tell_nothing(tmp_path: Path) -> None:
    importance = found(tmp_path / "enough", n_trials=12)[0]["importance"]
    assert set(importance) == set(SPACES) and sum(importance.values()) == pytest.approx(1)
    assert importance["alpha"] > 0.5 and importance["temperature"] == 0
    assert found(tmp_path / "one", n_trials=1)[0]["importance"] == {}
    assert found(tmp_path / "alike", scripted(*[[0.5]] * 4), n_trials=4)[0]["importance"] == {}


@pytest.mark.parametrize("ends", ["alpha=[1,0]", "alpha=[0.5]", "epochs=[0,3]", "temperature=[0,1]", "alpha=[0,1.5]"])
def test_a_wrong_range_is_one_line(ends: str, compose: Callable[..., Config]) -> None:
    name = ends.partition("=")[0]
    with pytest.raises(ConfigError, match=rf"optim\.steps\.distill\.search\.{name}=.*must be \[low, high\]") as told:
        compose("optim=distillation", "optim.steps.distill.search.n_trials=2", f"optim.steps.distill.search.{ends}")
    assert "\n" not in str(told.value)


@pytest.mark.slow
def test_each_trial_is_a_run_under_that_of_the_optimization_and_the_best_setting_is_trained(
    compose: Callable[..., Config], root: Path, toy_csv: Path
) -> None:
    distill = "optim.steps.distill"
    config = compose(  # in ONNX Runtime, whose processes start fast
        "optim=distillation_onnx", *small(root, toy_csv), "backbone.teacher.finetune.epochs=1",
        f"{distill}.search.n_trials=2", f"{distill}.search.epochs=[1,2]", f"{distill}.search.learning_rate=[1e-3,1e-2]",
    )  # fmt: skip
    for _ in range(2):
        run(replace(config, baseline=config.optim))  # compared with nothing: what is measured does not count here
    (stage,) = (root / "stages").glob("distill-*")
    notes = json.loads((stage / "manifest.json").read_text())["notes"]
    best, reached = notes["search"]["best"], [epoch["validation_accuracy"] for epoch in notes["curves"]]
    assert len(reached) == best["epochs"] and max(reached) == notes["search"]["best_value"]
    client = MlflowClient(f"sqlite:///{root / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("toy/tiny").experiment_id
    parents = [found.info.run_id for found in client.search_runs([experiment], "tags.optim = 'distillation_onnx'")]
    assert len(parents) == 2
    for parent in parents:
        assert {"search_history.png", "search_importance.png"} <= {file.path for file in client.list_artifacts(parent)}
        trials = client.search_runs([experiment], f"tags.mlflow.parentRunId = '{parent}'")
        assert sorted(trial.info.run_name for trial in trials) == ["trial 0", "trial 1"]
        assert {trial.info.status for trial in trials} == {"FINISHED"}
        assert max(trial.data.metrics["search/validation_accuracy"] for trial in trials) == max(reached)
        assert all(set(trial.data.params) == set(best) for trial in trials)
