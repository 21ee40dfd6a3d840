"""A baseline with random weights: size and latency are compared, what it answers is not judged."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient

from pipeline.commands.configuration.compose import configs, parse_arguments
from pipeline.commands.decide import decide
from pipeline.commands.page import page
from pipeline.config import Config, Decide
from pipeline.errors import ConfigError
from pipeline.run import run
from pipeline.steps.random_init import RandomInit
from tests.conftest import shrunk, small, write_csv

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory, ready_database: Path, toy_rows: list[tuple[str, str]]) -> Config:
    """tfidf, measured against it."""
    folder = tmp_path_factory.mktemp("untrained")
    (folder / "mlruns").mkdir()
    shutil.copy(ready_database, folder / "mlruns" / "mlflow.db")
    data = small(folder / "mlruns", write_csv(folder / "toy.csv", toy_rows))
    arguments = [
        "optim=tfidf",
        "optim@baseline=bert_base_random",
        *data,
        "constraints.min_accuracy=0.5",
        "decide.dry_run=true",
    ]
    config = shrunk(next(configs(parse_arguments(arguments))).config)
    run(config)
    return config


def test_size_and_latency_are_compared_and_accuracy_is_not(compared: Config) -> None:
    client = MlflowClient(f"sqlite:///{compared.track.root}/mlflow.db")
    runs = {
        each.data.tags["optim"]: each for each in client.search_runs([e.experiment_id for e in client.search_experiments()])
    }
    before, after = (runs[name].data.metrics for name in ("bert_base_random", "tfidf"))
    assert "quality/accuracy" not in before and "delta/accuracy_pp" not in before and before["delta/speedup"] == 1
    assert after["quality/accuracy"] > 0.9 and "delta/accuracy_pp" not in after
    assert after["delta/speedup"] > 1 and after["delta/size_ratio"] > 0
    files = {item.path for item in client.list_artifacts(runs["tfidf"].info.run_id)}
    assert "comparison.png" in files and "reliability.png" in files and "flips.md" not in files
    assert "reliability.png" not in {item.path for item in client.list_artifacts(runs["bert_base_random"].info.run_id)}


def test_it_is_decided_on_and_shown_without_it(compared: Config, capsys: pytest.CaptureFixture[str]) -> None:
    assert decide(compared) == 0
    told = capsys.readouterr().out
    assert "ship tfidf" in told and "not bert_base_random: its weights are random, so its answers were not measured" in told
    assert decide(replace(compared, decide=Decide(only="bert_base_random"), constraints={})) == 3, (
        "also where nothing is asked of it"
    )
    capsys.readouterr()
    html = page(compared).read_text(encoding="utf-8")
    assert html.count('class="dot') == 1 and "bert_base_random" in html


def test_a_width_that_heads_can_not_share_is_refused() -> None:
    with pytest.raises(ConfigError, match="must be a multiple of num_heads=12"):
        RandomInit("random_init", hidden_size=100)
