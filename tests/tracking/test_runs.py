"""Runs in a real SQLite MLflow: they end with the right status, hold what they should, and are found again."""

import base64
import json
import platform
import shutil
import subprocess
import threading
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow.parquet as parquet
import pytest
import yaml

from pipeline.config import Config, Track
from pipeline.errors import TrackError, UserError
from pipeline.evaluation.latency.samples import Block, Pair, Samples
from pipeline.evaluation.quality.paired import compare as compare_quality
from pipeline.evaluation.report import Comparison, Judged, Latency, Predictions, Report, Size
from pipeline.system.machine import Conditions, machine_name
from pipeline.tracking import view
from pipeline.tracking.contents import Split
from pipeline.tracking.identity import config_yaml
from pipeline.tracking.runs import Identity, Tracker
from pipeline.tracking.server import connect

JOBS = 6
PREDICTIONS = Predictions(
    ["rain", "song"], np.array([0, 1]), np.array([0, 0]), np.array([0.9, 0.6]), ["weather", "music"], None, np.zeros(2, bool)
)
VALIDATION = replace(PREDICTIONS, texts=["sun", "snow", "tune"], truth=np.array([0, 0, 1]), predicted=np.array([0, 0, 0]),
                     scores=np.array([0.9, 0.8, 0.6]), abstained=np.zeros(3, bool))  # fmt: skip
IDENTITY = Identity("int8", "bert", "f" * 64, "d" * 64, "same")


@pytest.fixture
def tracker(root: Path) -> Tracker:
    return Tracker(connect(Track(root=str(root))), "toy/tiny")


def samples(ms: float) -> Samples:
    """A process that answered three queries, in two blocks; in the second it was put off its core."""
    blocks = (Block(2, 2 * ms, 2 * ms, 0), Block(1, 10 * ms, ms, 4))
    return Samples(np.full(3, ms), np.full(3, 0.1), np.array([3, 4, 5]), blocks)


def against(ours_ms: float, theirs_ms: float) -> Comparison:
    pairs = tuple(Pair(samples(ours_ms), samples(theirs_ms), number % 2 == 0, number + 1.0) for number in range(2))
    return Comparison(pairs, "max_seconds: 60 s are spent", 0.02, Size(2**22, 0))


def judged(predictions: Predictions, compared: bool) -> Judged:
    before = replace(predictions, predicted=predictions.truth)
    change = compare_quality(before.predicted, predictions.predicted, predictions.truth, 2, None)
    quality = {"accuracy": float(predictions.right.mean())}
    return Judged(predictions, quality, baseline=before, change=change) if compared else Judged(predictions, quality)


def report(ms: float = 2.0, comparison: Comparison | None = None) -> Report:
    latency = Latency((samples(ms), samples(ms)), 900.0, 30.0, 250.0, {"memory/peak_mb": 300.0})
    conditions = Conditions(0.2, 0.0, 0.9, None, 10.0, 0.001)
    test, validation = (judged(one, comparison is not None) for one in (PREDICTIONS, VALIDATION))
    return Report("int8", test, validation, Size(2**21, 2**20), latency, conditions, comparison)


def finish(tracker: Tracker, identity: Identity, ms: float) -> str:
    with tracker.run(identity) as run:
        run.log_report(report(ms), {})
    return run.run_id


def status(tracker: Tracker, run_id: str) -> str:
    return str(tracker.client.get_run(run_id).info.status)


def artifacts(tracker: Tracker, run_id: str, folder: str | None = None) -> set[str]:
    return {item.path for item in tracker.client.list_artifacts(run_id, folder)}


def test_a_run_that_ends_is_finished_and_holds_all_it_was_given(tracker: Tracker, tmp_path: Path) -> None:
    for name in ("comparison/comparison.png", "model/weights.safetensors"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"x")
    data = {"name": "toy", "hash": "d" * 64, "kind": "files", "source": {"train": "a.csv"}, "rows": {"train": 3}}
    curves = [{"epoch": 1, "train_loss": 1.5, "validation_accuracy": 0.25}, {"epoch": 2, "train_loss": 0.5}]
    with tracker.run(IDENTITY) as run:
        assert status(tracker, run.run_id) == "RUNNING"
        run.log_start("seed: 1\n", {"optim": "int8", "threads": 1}, data)
        run.log_curves({"finetune": curves, "nothing": []})
        run.log_report(report(2.0, against(2.0, 6.0)), {})
        run.log_comparison(tmp_path / "comparison", "| table |")
        run.log_classifier(tmp_path / "model")
    assert status(tracker, run.run_id) == "FINISHED"
    stored = tracker.client.get_run(run.run_id)
    assert stored.info.run_name == "int8" and stored.data.params == {"optim": "int8", "threads": "1"}
    assert stored.data.tags["mlflow.note.content"] == "| table |" and stored.data.tags["fingerprint"] == "f" * 64
    assert stored.data.tags["machine"] == machine_name() and "sweep_id" not in stored.data.tags
    metrics = stored.data.metrics
    assert metrics["quality/accuracy"] == 0.5 and metrics["latency/mean_ms"] == 2 and metrics["delta/speedup"] == 3
    assert metrics["validation/accuracy"] == 2 / 3 and metrics["delta/accuracy_pp"] == -50
    assert metrics["validation/delta_accuracy_pp"] == pytest.approx(-100 / 3, rel=1e-4)
    history = tracker.client.get_metric_history(run.run_id, "training/train_loss")
    assert [(point.step, point.value) for point in history] == [(1, 1.5), (2, 0.5)]
    (dataset,) = stored.inputs.dataset_inputs
    assert dataset.dataset.name == "toy" and json.loads(dataset.dataset.profile) == {"train": 3}
    assert artifacts(tracker, run.run_id) == {
        "config.yaml", "environment.json", "predictions.parquet", "validation_predictions.parquet", "latency.parquet",
        "blocks.parquet", "classifier", "comparison.png", "flips.md", "flips.csv", "classes.md", "classes.csv",
    }  # fmt: skip
    splits: dict[Split, Predictions] = {"test": PREDICTIONS, "validation": VALIDATION}
    for split, logged in splits.items():
        read = tracker.predictions(run.run_id, PREDICTIONS.labels, None, split)
        assert all(np.array_equal(getattr(read, name), getattr(logged, name)) for name in vars(logged))
    with pytest.raises(TrackError, match=f"predictions.parquet of run {run.run_id} can't be read \\(KeyError\\)"):
        tracker.predictions(run.run_id, ["other", "labels"], None)
    assert artifacts(tracker, run.run_id, "classifier") == {"classifier/weights.safetensors"}
    rows = parquet.read_table(tracker.client.download_artifacts(run.run_id, "predictions.parquet")).to_pylist()
    assert rows[1] == {
        "text": "song",
        "prediction": "weather",
        "score": 0.6,
        "label": "music",
        "correct": False,
        "abstained": False,
        "baseline_correct": True,
    }
    calls = parquet.read_table(tracker.client.download_artifacts(run.run_id, "latency.parquet")).to_pylist()
    assert len(calls) == 12 and calls[-1] == {
        "who": "baseline", "pair": 1, "started_first": True, "query": 2, "block": 1, "ms": 6.0, "tokenize_ms": 0.1,
        "tokens": 5, "descheduled": True,
    }  # fmt: skip
    assert [call["started_first"] for call in calls[::3]] == [True, False, False, True] and not calls[0]["descheduled"]


def test_a_run_that_fails_keeps_the_reason_and_the_traceback(tracker: Tracker) -> None:
    with pytest.raises(RuntimeError), tracker.run(IDENTITY) as run:
        raise RuntimeError("out of luck")
    assert status(tracker, run.run_id) == "FAILED"
    assert tracker.client.get_run(run.run_id).data.tags["reason"] == "RuntimeError: out of luck"
    text = Path(tracker.client.download_artifacts(run.run_id, "traceback.txt")).read_text()
    assert "Traceback" in text and "test_runs.py" in text and "out of luck" in text


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(143), UserError("mend it")], ids=repr)
def test_a_run_that_is_interrupted_is_killed_without_a_traceback_and_a_users_mistake_failed_with_one(
    tracker: Tracker, error: BaseException
) -> None:
    with pytest.raises(type(error)), tracker.run(IDENTITY) as run:
        raise error
    assert status(tracker, run.run_id) == ("FAILED" if isinstance(error, UserError) else "KILLED")
    assert type(error).__name__ in tracker.client.get_run(run.run_id).data.tags["reason"]
    assert artifacts(tracker, run.run_id) == ({"traceback.txt"} if isinstance(error, UserError) else set())


def test_runs_of_dead_processes_are_closed_and_those_of_live_ones_and_of_other_machines_left_alone(tracker: Tracker) -> None:
    def started(process: str | None) -> str:
        tags = {"process": process} if process is not None else {}
        return str(tracker.client.create_run(tracker.experiment_id, tags=tags).info.run_id)

    node = platform.node()
    with subprocess.Popen(["sleep", "600"]) as live, subprocess.Popen(["sleep", "600"]) as dead:
        born = {process.pid: f"{psutil.Process(process.pid).create_time():.0f}" for process in (live, dead)}
        dead.kill()
        dead.wait()
        left = [started(p) for p in (f"{node} {live.pid} {born[live.pid]}", f"elsewhere {dead.pid} 1", "nonsense", "", None)]
        gone = [
            started(p) for p in (f"{node} {dead.pid} {born[dead.pid]}", f"{node} {live.pid} 1")
        ]  # 1: a number used again
        with tracker.run(IDENTITY) as ours:
            tracker.close_orphans()
            assert {status(tracker, run) for run in [*left, ours.run_id]} == {"RUNNING"}
        live.kill()
    assert {status(tracker, run) for run in gone} == {"KILLED"}
    assert all("killed" in tracker.client.get_run(run).data.tags["reason"] for run in gone)


def test_rows_are_the_newest_finished_run_of_each_optimization_that_compares(tracker: Tracker) -> None:
    finish(tracker, IDENTITY, 3.0)
    baseline = finish(tracker, replace(IDENTITY, optim="bert", role="baseline"), 8.0)
    newest = finish(tracker, IDENTITY, 2.0)
    finish(tracker, replace(IDENTITY, comparable="other"), 1.0)
    with pytest.raises(KeyboardInterrupt), tracker.run(IDENTITY) as killed:
        killed.log_report(report(0.5), {})
        raise KeyboardInterrupt
    with tracker.run(replace(IDENTITY, optim="empty")):
        pass  # finished, but never measured
    rows = {row.optim: row for row in tracker.rows("same")}
    assert set(rows) == {"bert", "int8"} and len(tracker.rows("same")) == 2
    assert rows["int8"].run_id == newest and rows["int8"].metrics["latency/mean_ms"] == 2
    assert rows["bert"].run_id == baseline and rows["bert"].is_baseline and not rows["int8"].is_baseline
    assert tracker.rows("unknown") == [] and tracker.newest_comparable() == "other"


def test_find_gives_the_run_of_this_very_artifact_measured_the_same_way(tracker: Tracker) -> None:
    assert tracker.find(IDENTITY) is None
    first = finish(tracker, IDENTITY, 3.0)
    finish(tracker, replace(IDENTITY, fingerprint="e" * 64), 2.0)
    found = tracker.find(IDENTITY)
    assert found is not None and found.run_id == first
    others: list[dict[str, Any]] = [{"optim": "bert"}, {"comparable": "other"}, {"fingerprint": "0" * 64}]
    for other in others:
        assert tracker.find(replace(IDENTITY, **other)) is None


def test_the_configuration_that_is_kept_has_no_password(compose: Callable[..., Config], tiny: list[str]) -> None:
    config = compose(*tiny, "track.uri=http://ada:secret@example.org:5000")
    kept = config_yaml(config)
    assert "secret" not in kept and "ada" not in kept
    values: dict[str, Any] = yaml.safe_load(kept)
    assert values["track"]["uri"] == "http://example.org:5000"
    assert values["data"]["train"] == config.data.train  # type: ignore[attr-defined]  # data=files has it


def test_the_shared_view_is_what_was_prepared(tracker: Tracker) -> None:
    view.share(tracker.client, tracker.experiment_id, "accuracy")
    view.share(tracker.client, tracker.experiment_id, "accuracy")  # again, as every run does
    tags = tracker.client.get_experiment(tracker.experiment_id).tags
    stored = json.loads(tags[f"mlflow.sharedViewState.{view.KEY}"])
    method, _, packed = stored["state"].partition(";")
    assert method == "deflate" and json.loads(zlib.decompress(base64.b64decode(packed))) == view.state("accuracy")
    assert f"viewStateShareKey={view.KEY}" in view.fragment(tracker.experiment_id)


def test_a_directory_that_was_moved_is_told_in_one_line(tracker: Tracker, root: Path, tmp_path: Path) -> None:
    moved = shutil.move(root, tmp_path / "moved")
    with pytest.raises(TrackError, match="move it back") as caught:
        Tracker(connect(Track(root=str(moved))), "toy/tiny")
    assert "\n" not in str(caught.value) and str(root) in str(caught.value)


@pytest.mark.slow
def test_jobs_that_log_the_same_data_set_at_the_same_moment_all_have_it(root: Path) -> None:
    barrier = threading.Barrier(JOBS)
    trackers = [Tracker(connect(Track(root=str(root))), "toy/tiny") for _ in range(JOBS)]

    def log(tracker: Tracker) -> int:
        try:
            with tracker.run(IDENTITY) as run:
                for number in range(10):
                    data = {"name": "toy", "hash": f"{number}" * 64, "kind": "files", "source": {}, "rows": {"train": 3}}
                    barrier.wait()
                    run.log_start("seed: 1\n", {}, data)
        finally:
            barrier.abort()  # nobody waits for one that failed
        return len(tracker.client.get_run(run.run_id).inputs.dataset_inputs)

    with ThreadPoolExecutor(JOBS) as pool:
        assert list(pool.map(log, trackers)) == [10] * JOBS
