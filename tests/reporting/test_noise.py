"""The noise floor: a real classifier against itself and the baseline, from the command line; what is kept."""

import contextlib
import csv
import io
import json
import os
import shutil
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as parquet
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from pipeline.cli import main
from pipeline.config import Config
from pipeline.errors import MeasureError
from pipeline.evaluation.latency.pairs import MIN_PAIRS
from pipeline.evaluation.latency.process import ROOT
from pipeline.reporting import noise_floor
from pipeline.system.machine import machine_name
from pipeline.tracking.runs import Tracker
from pipeline.tracking.server import connect
from tests.conftest import small, write_csv
from tests.support import forked
from tests.support.waiting import wait_for

pytestmark = pytest.mark.slow

REPETITIONS = 4


class Place:
    """A `track.root` of its own, and what runs in it; the tiny network is trained and exported once."""

    def __init__(self, folder: Path, database: Path, rows: list[tuple[str, str]]) -> None:
        self.root = folder / "mlruns"
        self.root.mkdir()
        shutil.copy(database, self.root / "mlflow.db")
        chosen = ["optim=baseline_onnx_int8", "optim@baseline=baseline_onnx", "backbone.teacher.finetune.epochs=1"]
        self.overrides = [*small(self.root, write_csv(folder / "toy.csv", rows)), *chosen]
        self.client = MlflowClient(f"sqlite:///{self.root / 'mlflow.db'}")

    def run(self, *overrides: str) -> tuple[int, str, str]:
        """`python -m pipeline noise` within this process: exit code, output, errors."""
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            patch.setattr(sys, "argv", ["pipeline", "noise", *self.overrides, *overrides])
            with pytest.raises(SystemExit) as caught:
                main()
        return int(caught.value.code or 0), out.getvalue(), err.getvalue()

    def runs(self) -> list[Run]:
        experiment = self.client.get_experiment_by_name("toy/tiny")
        return [] if experiment is None else list(self.client.search_runs([experiment.experiment_id]))  # newest first

    def tracker(self, compose: Callable[..., Config]) -> Tracker:
        return Tracker(connect(compose(*self.overrides).track), "toy/tiny", create=False)

    def files(self, run: Run) -> Path:
        return self.root / "noise" / str(run.info.run_id)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, ready_database: Path, toy_rows: list[tuple[str, str]]) -> Place:
    return Place(tmp_path_factory.mktemp("noise"), ready_database, toy_rows)


@pytest.fixture(scope="module")
def measured(place: Place) -> tuple[Run, str]:
    """A classifier against itself, and what was said of it."""
    code, out, err = place.run(f"noise.repetitions={REPETITIONS}", "measure.max_seconds=1")
    assert code == 0, err
    return place.runs()[0], out


def test_a_classifier_is_rarely_called_different_from_itself(place: Place, measured: tuple[Run, str]) -> None:
    metrics = measured[0].data.metrics  # by chance, all 4 happen in 1 of 100,000 cases
    assert metrics["noise/repetitions"] == REPETITIONS and metrics["noise/excludes_1_count"] <= 3
    lines = csv.DictReader((place.files(measured[0]) / "noise.csv").open(encoding="utf-8"))
    ratios = [float(line["p50_log_ratio"]) for line in lines if line["against"] == "itself"]
    assert abs(statistics.median(ratios)) < 0.1  # of medians: other work on the machine moves the means of so short a time


def test_the_run_has_its_metrics_curves_tags_and_files(place: Place, measured: tuple[Run, str]) -> None:
    run, _ = measured
    metrics, tags = run.data.metrics, run.data.tags
    assert (run.info.status, tags["kind"], tags["optim"]) == ("FINISHED", "noise", "baseline_onnx_int8") and tags[
        "fingerprint"
    ]
    assert "latency/mean_ms" not in metrics
    assert metrics["noise/excludes_1"] == metrics["noise/excludes_1_count"] / REPETITIONS
    assert 0 <= metrics["noise/excludes_1_low"] <= metrics["noise/excludes_1"] <= metrics["noise/excludes_1_high"] <= 1
    assert metrics["noise/order_effect_low"] < metrics["noise/order_effect"] < metrics["noise/order_effect_high"]
    assert metrics["noise/width"] > 0 and metrics["noise/between_pairs_sd"] > 0 and 0 < metrics["noise/parent_cpu"] < 1
    assert metrics["noise/sessions"] == REPETITIONS and metrics["noise/between_sessions_widening"] >= 1
    assert 0 <= metrics["noise/between_sessions_sd"] <= metrics["noise/between_sessions_sd_high"]
    verdicts = ("faster", "slower", "equivalent", "inconclusive")
    assert sum(metrics[f"noise/{verdict}_count"] for verdict in verdicts) == REPETITIONS
    assert place.client.get_metric_history(run.info.run_id, "noise/by_max_seconds/width")[0].value > 0
    logged = {file.path for file in place.client.list_artifacts(run.info.run_id)}
    assert logged >= {
        "noise.png",
        "noise.svg",
        "noise.csv",
        "noise.json",
        "latency.parquet",
        "latency_against_baseline.parquet",
        "config.yaml",
        "environment.json",
    }


def test_the_raw_pairs_are_kept(place: Place, measured: tuple[Run, str]) -> None:
    folder = place.files(measured[0])
    told = json.loads((folder / "noise.json").read_text(encoding="utf-8"))
    assert len(told["repetitions"]) == REPETITIONS and told["measure"]["max_seconds"] == 1
    assert told["baseline"] == "baseline_onnx" and len(told["against_baseline"]) == REPETITIONS
    kept = {"itself": told["repetitions"], "baseline": told["against_baseline"]}
    pairs = [
        (against, number, pair)
        for against, sessions in kept.items()
        for number, session in enumerate(sessions)
        for pair in session["pairs"]
    ]
    assert all(len(session["pairs"]) >= MIN_PAIRS for sessions in kept.values() for session in sessions)
    lines = list(csv.DictReader((folder / "noise.csv").open(encoding="utf-8")))
    assert [(line["against"], int(line["repetition"]), float(line["log_ratio"])) for line in lines] == [
        (against, number, pair["log_ratio"]) for against, number, pair in pairs
    ]
    names = {"candidate_first", "elapsed_s", "log_ratio", "p50_log_ratio", "p95_log_ratio"}
    assert all(pair.keys() == names for _, _, pair in pairs)
    drawn = parquet.read_table(folder / "latency.parquet", columns=["repetition", "pair", "query"]).to_pylist()
    orders = {
        tuple(call["query"] for call in drawn if (call["repetition"], call["pair"]) == place)[:20]
        for place in [(0, 0), (0, 1), (1, 0)]
    }
    assert len(orders) == 3  # each pair of each repetition draws its own


def test_it_says_what_was_found_and_where_it_lies(place: Place, measured: tuple[Run, str]) -> None:
    run, out = measured
    assert out.lstrip().startswith("stopped after") and "3 % or 1 s *" in out and f"of {REPETITIONS}" in out
    assert "differences below" in " ".join(out.split()) and "http://127.0.0.1:5000/#/experiments/" in out
    shown = next(line for line in out.splitlines() if line.startswith("plot:")).split()[-1]
    assert Path(shown).resolve() == place.files(run) / "noise.png"


def test_a_comparison_can_refer_to_it_and_has_no_row_of_it(
    place: Place, measured: tuple[Run, str], compose: Callable[..., Config]
) -> None:
    run, tracker = measured[0], place.tracker(compose)
    assert tracker.newest_comparable() is None and tracker.rows(run.data.tags["comparable"]) == []
    place.client.create_run(run.info.experiment_id, tags=run.data.tags)  # one that is not finished
    known = noise_floor.newest(tracker)
    assert known is not None and (known.run_id, known.optim, known.max_seconds) == (run.info.run_id, "baseline_onnx_int8", 1)
    assert known.sentence().startswith(
        f"noise floor here: a model against itself, {REPETITIONS} times: the interval excluded"
    )
    assert f"(baseline_onnx_int8, 1 s, {known.date}" in known.sentence()
    assert known.between_sessions_sd == pytest.approx(run.data.metrics["noise/between_sessions_sd"])
    assert "the speed-up varied from session to session by" in known.sentence()


def test_a_quiet_noise_floor_goes_before_a_newer_one_beside_other_work(root: Path, compose: Callable[..., Config]) -> None:
    tracker = Tracker(connect(compose(f"track.root={root}").track), "toy/tiny")
    assert noise_floor.newest(tracker) is None
    made = []
    for contended in (2, 5):
        tags = {"kind": "noise", "optim": "bert", "machine": machine_name()}
        run_id = tracker.client.create_run(tracker.experiment_id, tags=tags).info.run_id
        for name, value in (("repetitions", 5), ("excludes_1_count", 0), ("width", 0.02), ("contended_count", contended)):
            tracker.client.log_metric(run_id, f"noise/{name}", value)
        for name, text in (("slowdown", "0.0"), ("max_seconds", "20.0")):
            tracker.client.log_param(run_id, name, text)
        tracker.client.set_terminated(run_id)
        made.append(run_id)
    quiet = noise_floor.newest(tracker)
    assert quiet is not None and (quiet.run_id, quiet.busy) == (made[0], False) and "beside" not in quiet.sentence()
    assert "how much a speed-up varies from session to session is not measured yet" in quiet.sentence()
    tracker.client.delete_run(made[0])
    busy = noise_floor.newest(tracker)
    assert busy is not None and busy.run_id == made[1] and ", beside other work)" in busy.sentence()


def test_a_machine_that_was_not_measured_has_no_floor(
    place: Place, measured: tuple[Run, str], compose: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(noise_floor, "machine_name", lambda: "another machine")
    assert noise_floor.newest(place.tracker(compose)) is None and "not measured yet" in noise_floor.NOT_MEASURED


def test_a_slowdown_is_found_and_is_no_noise_floor(
    place: Place, measured: tuple[Run, str], compose: Callable[..., Config]
) -> None:
    code, out, err = place.run("noise.slowdown=3", "noise.repetitions=2", "measure.max_seconds=1.5")
    assert code == 0, err
    run = place.runs()[0]
    metrics = run.data.metrics
    assert metrics["noise/faster_count"] == 0 and metrics["noise/excludes_1_count"] == metrics["noise/slower_count"]
    lines = list(csv.DictReader((place.files(run) / "noise.csv").open(encoding="utf-8")))
    assert {line["against"] for line in lines} == {"itself"}
    assert all(float(line["p50_log_ratio"]) < -0.7 for line in lines), "the truth is log(1 / 4), -1.4; half is enough"
    assert "was made slower by 300 % on purpose" in " ".join(out.split())
    known = noise_floor.newest(place.tracker(compose))
    assert known is not None and known.run_id == measured[0].info.run_id


def test_a_worker_that_fails_ends_the_run_as_failed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise MeasureError("the worker ended")

    monkeypatch.setattr("pipeline.evaluation.noise.repeat.compare", fail)
    code, out, err = place.run("noise.repetitions=1")
    assert (code, out) == (2, "") and err.splitlines()[-1] == "measuring error: the worker ended"
    assert place.runs()[0].info.status == "FAILED"


def test_a_kill_leaves_what_was_measured(place: Place, compose: Callable[..., Config]) -> None:
    before = {run.info.run_id for run in place.runs()}
    process = forked.Program(["noise", *place.overrides, "noise.repetitions=1000"], os.environ, ROOT)

    def kept() -> list[Path]:
        return [path for path in (place.root / "noise").glob("*/noise.json") if path.parent.name not in before]

    wait_for(lambda: bool(kept()), process)
    left = kept()
    process.kill()
    process.communicate()
    told = json.loads(left[0].read_text(encoding="utf-8"))
    assert 1 <= len(told["repetitions"]) < 1000 and len(told["repetitions"][0]["pairs"]) == MIN_PAIRS
    place.tracker(compose).close_orphans()
    assert place.client.get_run(left[0].parent.name).info.status == "KILLED"


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("noise.repetitions=0", "noise.repetitions=0: must be at least 1"),
        ("noise.slowdown=-1", "noise.slowdown=-1.0: must be at least 0"),
        ("noise.repetition=3", "repetition"),
        ("optim=nothing", "nothing"),
    ],
)
def test_a_wrong_override_is_one_line(place: Place, override: str, told: str) -> None:
    code, out, err = place.run(override)
    assert (code, out, err.count("\n")) == (2, "", 1) and told in err and err.startswith("config error: ")
