"""The whole way, with every optimization there is, on the tiny backbone."""

import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import transformers
from mlflow import MlflowClient

from pipeline.commands.configuration.compose import configs, parse_arguments, quoted
from pipeline.config import CONF, Config, Track
from pipeline.deployment.serve.answers import Answerer
from pipeline.run import Outcome, run, stage_names
from pipeline.runtimes.base import PublishedForm, runtime_of
from pipeline.runtimes.base import load as classifier
from pipeline.tracking.server import database_uri
from tests.conftest import shrunk, small, write_csv
from tests.support.runs import made, runs_of

pytestmark = pytest.mark.slow

OPTIMS = sorted(file.stem for file in (CONF / "optim").glob("*.yaml"))
MEASURED = (
    "baseline_onnx",
    "baseline",
    "baseline_int8",
    "movement_pruning",
    "distillation_onnx_int8",
)  # the baseline, each way to be stored


def test_there_are_optimizations_to_test() -> None:
    assert {"baseline", "distilbert", "distillation_onnx_int8", "movement_pruning", "structured_pruning"} <= set(OPTIMS)


@dataclass(frozen=True)
class Everything:
    """What came of every optimization: the artifact of each, names of stages that were made, outcomes of those measured."""

    root: Path
    artifacts: dict[str, Path]
    stages: tuple[str, ...]
    outcomes: dict[str, Outcome]


@pytest.fixture(scope="module")
def everything(
    tmp_path_factory: pytest.TempPathFactory, ready_database: Path, toy_rows: list[tuple[str, str]]
) -> Everything:
    """Every optimization there is, one after the other in one `track.root`, which share what they have in common."""
    folder = tmp_path_factory.mktemp("everything")
    root = folder / "a ?#%41 ü"  # a path may have all characters that mean something in a URI
    root.mkdir()
    shutil.copy(ready_database, root / "mlflow.db")
    arguments = [
        "-m",
        "optim=glob(*)",
        "optim@baseline=baseline_onnx",
        *small(Path("mlruns"), write_csv(folder / "toy.csv", toy_rows)),
    ]
    place = Track(root=str(root))
    composed = [replace(job.config, track=place) for job in configs(parse_arguments(arguments))]
    jobs = {config.optim.name: shrunk(config) for config in composed}
    done = {name: made(config) for name, config in jobs.items()}
    outcomes = {name: run(jobs[name]) for name in MEASURED}
    assert not any(outcome.made for outcome in outcomes.values()), "what was made is measured"
    stages = tuple(stage for each in done.values() for stage in stage_names(each, None)[0])
    return Everything(root, {name: each.artifact for name, each in done.items()}, stages, outcomes)


@pytest.mark.parametrize("optim", OPTIMS)
def test_every_optimization_makes_a_classifier(optim: str, everything: Everything) -> None:
    loaded = classifier(everything.artifacts[optim], threads=1)
    logits = loaded.logits(["rain tomorrow", "play a song"])
    assert logits.shape == (2, 3) and sorted(loaded.labels) == ["food", "music", "weather"]
    assert np.isfinite(logits).all() and logits.std() > 0


@pytest.mark.parametrize("optim", ["baseline", "distilbert", "distillation"])
def test_what_the_main_jobs_make_is_a_standard_checkpoint_with_the_same_labels_and_scores(
    optim: str, everything: Everything, toy_rows: list[tuple[str, str]]
) -> None:
    artifact, texts = everything.artifacts[optim], [text for text, _ in toy_rows[::9]]
    assert runtime_of(artifact).published_form(artifact) is PublishedForm.STANDARD
    theirs = transformers.pipeline("text-classification", model=str(artifact), device="cpu")(texts)
    ours = Answerer(artifact)(texts)
    assert [each["label"] for each in theirs] == [each.label for each in ours]
    assert [each["score"] for each in theirs] == pytest.approx([each.score for each in ours], abs=1e-5)


@pytest.mark.parametrize("optim", MEASURED)
def test_an_optimization_runs_from_configuration_to_comparison(optim: str, everything: Everything) -> None:
    root, outcomes = everything.root, everything.outcomes
    (run,) = [r for r in runs_of(root) if r.data.tags["optim"] == optim]
    assert run.info.status == "FINISHED"
    metrics = run.data.metrics
    assert metrics["quality/accuracy"] == pytest.approx(outcomes[optim].row.metrics["quality/accuracy"], abs=1e-4)
    assert metrics["size/mb"] >= metrics["size/weights_mb"] > 0
    percentiles = [metrics[f"latency/p{percentile}_ms"] for percentile in (50, 90, 95, 99)]
    assert metrics["latency/mean_ms"] > 0 and percentiles[0] > 0 and percentiles == sorted(percentiles)
    assert metrics["memory/peak_mb"] > 10 and metrics["throughput/texts_per_s"] > 0 and metrics["load/ms"] > 0
    assert metrics["delta/speedup"] == 1 if optim == "baseline_onnx" else metrics["delta/speedup"] > 0
    artifacts = {a.path for a in MlflowClient(database_uri(root)).list_artifacts(run.info.run_id)}
    assert artifacts == {
        "config.yaml", "environment.json", "data_report.md", "predictions.parquet", "validation_predictions.parquet",
        "latency.parquet",
        "blocks.parquet", "classifier",
        "comparison.png", "comparison.svg", "comparison.md", "comparison.csv", "speedup.png", "speedup.svg",
        "classes.md", "classes.csv",
        "reliability.png", "reliability.svg", *(() if optim == "baseline_onnx" else ("flips.md", "flips.csv")),
    }  # fmt: skip


def test_over_all_optimizations_each_teacher_and_student_is_trained_once(everything: Everything) -> None:
    times = Counter(stage.rpartition("-")[0] for stage in everything.stages)
    assert len(set(everything.stages)) == len(everything.stages)
    assert times["finetune"] == times["transfer"] == 2 and times["prune_structured"] == 1, times
    assert times["prune"] == times["quantize_torch_dynamic"] == 2 and times["random_init"] == times["tfidf"] == 1, times
    assert sum(times.values()) == len(list((everything.root / "stages").glob("*-*/manifest.json")))


def test_a_run_that_fails_is_failed_with_its_reason(
    compose: Callable[..., Config], tiny: list[str], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("out of luck")

    monkeypatch.setattr("pipeline.steps.finetune.Finetune.make", broken)
    with pytest.raises(RuntimeError, match="out of luck"):
        run(compose("optim=baseline", *tiny))
    (failed,) = runs_of(root)
    assert failed.info.status == "FAILED" and "out of luck" in failed.data.tags["reason"]
    assert not list((root / "stages").glob("finetune-*"))


def test_a_loaded_checkpoint_predicts_as_it_did_when_it_was_stored(
    everything: Everything, compose: Callable[..., Config], tiny: list[str]
) -> None:
    trained = everything.artifacts["baseline"]
    load = ["~optim.steps.finetune", "+step@optim.steps.load=load_checkpoint"]
    load += [f"optim.steps.load.checkpoint={quoted(str(trained))}"]
    loaded = made(compose("optim=baseline", *load, *tiny)).artifact
    assert loaded != trained
    texts = ["rain tomorrow", "play a song", "order a pizza, and then another one"]
    assert classifier(loaded, threads=1).logits(texts) == pytest.approx(classifier(trained, threads=1).logits(texts))
