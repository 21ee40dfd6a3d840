"""The whole way, with every optimization there is, on the tiny backbone; and that it survives being killed."""

import contextlib
import json
import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import transformers
from mlflow import MlflowClient

from pipeline.commands.configuration.compose import configs, parse_arguments
from pipeline.config import CONF, Config, Track
from pipeline.deployment.serve.answers import Answerer
from pipeline.evaluation.latency.process import ROOT
from pipeline.run import Outcome, UnmeasuredRun, make_artifact, run, stage_names
from pipeline.runtimes.base import PublishedForm, runtime_of
from pipeline.runtimes.base import load as classifier
from pipeline.steps.execute import StepsResult, run_steps
from pipeline.tracking.job import prepare
from pipeline.tracking.server import database_uri
from tests.conftest import shrunk, small, write_csv
from tests.support import forked
from tests.support.disks import small_disk
from tests.support.waiting import wait_for

pytestmark = pytest.mark.slow

OPTIMS = sorted(file.stem for file in (CONF / "optim").glob("*.yaml"))
MEASURED = (
    "baseline_onnx",
    "baseline",
    "baseline_int8",
    "movement_pruning",
    "distillation_onnx_int8",
)  # the baseline, each way to be stored


def runs_of(root: Path, experiment: str = "toy/tiny") -> list:  # type: ignore[type-arg]
    client = MlflowClient(database_uri(root))
    return list(
        client.search_runs([client.get_experiment_by_name(experiment).experiment_id], order_by=["attributes.start_time"])
    )


def test_there_are_optimizations_to_test() -> None:
    assert {"baseline", "distilbert", "distillation_onnx_int8", "movement_pruning", "structured_pruning"} <= set(OPTIMS)


def made(config: Config) -> StepsResult:
    """The artifact, made but not measured."""
    job = prepare(config)
    return run_steps(config.optim, job.context, job.store)


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
        "config.yaml", "environment.json", "data_notes.txt", "predictions.parquet", "validation_predictions.parquet",
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


def _trained_again(*_: object) -> None:
    raise AssertionError("it was trained again")


def quiet(root: Path) -> None:
    """Forget that other work ran beside the measurements: tests run on busy machines too."""
    client = MlflowClient(database_uri(root))
    for each in runs_of(root):
        if "contended" in each.data.tags:
            client.delete_tag(each.info.run_id, "contended")


def test_a_second_run_trains_and_measures_nothing(
    compose: Callable[..., Config],
    tiny: list[str],
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    small = ["optim=baseline_onnx_int8", "optim@baseline=baseline_onnx", "backbone.max_length=10", *tiny]
    first = run(compose(*small))
    quiet(root)
    client = MlflowClient(database_uri(root))
    for stored in runs_of(root):  # what is cut is told in both
        notes = Path(client.download_artifacts(stored.info.run_id, "data_notes.txt", str(root))).read_text(encoding="utf-8")
        assert "longer than backbone.max_length" in notes and "max_length=10; counted on" in notes
        assert (
            "of all tokens" in stored.data.tags["mlflow.note.content"] and stored.data.metrics["data/truncated_share"] > 0.5
        )
    assert "measured before" not in capsys.readouterr().out
    stages = sorted((root / "stages").glob("finetune-*/manifest.json"))
    before = [stage.read_text() for stage in stages]
    monkeypatch.setattr("pipeline.steps.finetune.Finetune.make", _trained_again)
    second = run(compose(*small))
    assert len(stages) == 1 and [stage.read_text() for stage in stages] == before
    assert [r.data.tags["optim"] for r in runs_of(root)] == ["baseline_onnx", "baseline_onnx_int8"]
    assert second.row.run_id == first.row.run_id and second.row.measured_at
    told = capsys.readouterr().out
    assert "baseline_onnx_int8 = " in told and "= reused measurement: baseline_onnx_int8 (20" in told
    again = run(compose(*small, "measure.again=true"))
    assert again.row.run_id != first.row.run_id and not again.row.measured_at
    assert len(runs_of(root)) == 3


def test_a_measurement_with_other_settings_or_beside_other_work_is_not_reused(
    compose: Callable[..., Config], tiny: list[str], root: Path
) -> None:
    small = ["optim=baseline_onnx", "optim@baseline=baseline_onnx", *tiny]
    first = run(compose(*small))
    quiet(root)
    assert run(compose(*small, "measure.margin=0.05")).row.run_id != first.row.run_id
    MlflowClient(database_uri(root)).set_tag(first.row.run_id, "contended", "something else ran")
    assert run(compose(*small)).row.run_id != first.row.run_id


def test_in_a_sweep_a_measurement_of_before_is_copied_whole(
    compose: Callable[..., Config], tiny: list[str], root: Path
) -> None:
    small = ["optim=baseline_onnx_int8", "optim@baseline=baseline_onnx", *tiny]
    first = run(compose(*small)).row
    quiet(root)
    config = compose(*small, "sweep.id=s", "sweep.job=0")
    waiting = make_artifact(config)
    assert isinstance(waiting, UnmeasuredRun)
    copied = run(config, pending_run_id=waiting.run_id).row
    client = MlflowClient(database_uri(root))
    old, new = (client.get_run(row.run_id) for row in (first, copied))
    assert new.info.run_id == waiting.run_id != old.info.run_id and new.data.tags["measured_in"] == old.info.run_id
    final = {name: value for name, value in old.data.metrics.items() if not name.startswith("training/")}
    assert final.items() <= new.data.metrics.items() and copied.measured_at
    files, ours = ({item.path for item in client.list_artifacts(run.info.run_id)} for run in (old, new))
    assert files == ours and "classifier" in ours and "predictions.parquet" in ours


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
    compose: Callable[..., Config], tiny: list[str], root: Path
) -> None:
    trained = made(compose("optim=baseline", *tiny)).artifact
    load = ["~optim.steps.finetune", "+step@optim.steps.load=load_checkpoint", f"optim.steps.load.checkpoint={trained}"]
    loaded = made(compose("optim=baseline", *load, *tiny)).artifact
    assert loaded != trained
    texts = ["rain tomorrow", "play a song", "order a pizza, and then another one"]
    assert classifier(loaded, threads=1).logits(texts) == pytest.approx(classifier(trained, threads=1).logits(texts))


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
