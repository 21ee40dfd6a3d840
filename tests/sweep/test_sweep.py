"""Sweeps, as a user starts them: jobs that fail, what is shared, what is told; seeds and settings, in parallel."""

import json
import math
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from tests.support.sweeping import ROOT, Place, Rows

pytestmark = pytest.mark.slow

JOBS = [
    "baseline_onnx",
    "mistake",
    "raise",
    "exit",
    "_exit",
    "kill",
    "distillation_onnx",
    "distillation_onnx_int8",
    "short_distillation",  # the guide's example
]
ENDS = {"mistake": "FAILED", "raise": "FAILED", "exit": "FAILED", "_exit": "FAILED", "kill": "KILLED"}
GOOD = [name for name in JOBS if name not in ENDS]
Ended = tuple[Place, CompletedProcess[str]]


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory, ready_database: Path, toy_rows: Rows) -> Iterator[Ended]:
    """A sweep over good jobs and over jobs that fail, exit or are killed."""
    told = ["objective=[validation/accuracy,delta/speedup]", "hydra.sweeper._target_=hydra_plugins.telling.Telling"]
    guide = (ROOT / "pipeline" / "steps" / "README.md").read_text(encoding="utf-8")
    with Place(tmp_path_factory.mktemp("troubled"), ready_database, toy_rows) as place:
        example = place.folder / "conf" / "optim" / "short_distillation.yaml"  # one file adds an optimization
        example.write_text(guide.partition("```yaml\n")[2].partition("```")[0], encoding="utf-8")
        yield place, place.run("-m", f"optim={','.join(JOBS)}", *told)


def artifacts_of(place: Place, run: Any) -> set[str]:
    return {item.path for item in place.client.list_artifacts(run.info.run_id)}


def text_of(place: Place, run: Any, name: str) -> str:
    return Path(place.client.download_artifacts(run.info.run_id, name)).read_text(encoding="utf-8")


def test_every_job_has_a_run_with_the_right_end_and_a_job_that_fails_does_not_stop_the_others(troubled: Ended) -> None:
    place, done = troubled
    assert done.returncode == 1, done.stderr
    assert place.statuses() == {number: [(name, ENDS.get(name, "FINISHED"))] for number, name in enumerate(JOBS)}
    assert not list(place.here.iterdir())


def test_a_sweep_is_one_parent_run_that_all_others_are_nested_in(troubled: Ended) -> None:
    place, _ = troubled
    (parent,) = place.parents()
    children = [run for run in place.runs() if run.info.run_id != parent.info.run_id]
    assert len(children) == len(JOBS)
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    assert len({run.data.tags["sweep_id"] for run in place.runs()}) == 1
    assert parent.info.status == "FAILED"
    counts = {"sweep/finished": 4, "sweep/failed": 2, "sweep/exited": 2, "sweep/killed": 1}
    assert parent.data.metrics == counts


def test_a_run_that_failed_has_its_reason_and_where_there_is_one_its_traceback(troubled: Ended) -> None:
    place, _ = troubled
    runs = {run.data.tags["optim"]: run for run in place.runs() if "optim" in run.data.tags}
    assert "RuntimeError: out of luck" in runs["raise"].data.tags["reason"]
    assert 'raise RuntimeError("out of luck' in text_of(place, runs["raise"], "traceback.txt")
    assert "sys.exit(3)" in text_of(place, runs["exit"], "traceback.txt")
    assert runs["_exit"].data.tags["reason"] == "its process exited with 4"
    assert runs["kill"].data.tags["reason"] == "its process was killed by SIGKILL"
    assert all("traceback.txt" not in artifacts_of(place, runs[name]) for name in [*GOOD, "_exit", "kill"])


def test_the_parent_has_the_comparison_with_what_is_missing(troubled: Ended) -> None:
    place, done = troubled
    (parent,) = place.parents()
    metrics = {f"{name}.{kind}" for name in ("comparison", "speedup") for kind in ("png", "svg")}
    assert artifacts_of(place, parent) == {*metrics, "comparison.md", "comparison.csv", "summary.txt"}
    table = text_of(place, parent, "comparison.md")
    titles, _, *cells = [line.strip("| ").split(" | ") for line in table.splitlines()[: 2 + len(JOBS)]]
    quantized = titles.index("agreement %")  # the only column that not all have
    cells = [cell[:quantized] + cell[quantized + 1 :] for cell in cells]
    rows = {name.removesuffix(" !"): metrics for name, *metrics in cells}  # !: the machine was busy
    missing = {"mistake (failed)", "raise (failed)", "exit (exited)", "_exit (exited)", "kill (killed)"}
    assert set(rows) == {"baseline_onnx *", *GOOD[1:], *missing}
    assert all(set(rows[name]) == {"-"} for name in missing) and all("-" not in rows[name] for name in GOOD[1:])
    assert table.split("\n\n")[0] in parent.data.tags["mlflow.note.content"]
    assert "short_distillation" in done.stdout and "_exit (exited)" in done.stdout


def test_the_summary_tells_each_job_on_one_line_with_what_it_made_and_why_it_failed(troubled: Ended) -> None:
    place, done = troubled
    (parent,) = place.parents()
    told = text_of(place, parent, "summary.txt")
    assert told in done.stdout
    head, *lines = told.splitlines()
    jobs = {line.split()[1]: line for line in lines[: len(JOBS)]}
    assert list(jobs) == JOBS and len(lines) == len(JOBS) + 2, told
    why = {name: line[head.index("why") :] for name, line in jobs.items()}
    assert why["mistake"] == "optimization error: it can't be done; choose another step"
    assert why["raise"] == "RuntimeError: out of luck and of patience"
    assert why["exit"] == "it exited with 3" and why["_exit"] == "its process exited with 4"
    assert why["kill"] == "its process was killed by SIGKILL" and not any(why[name] for name in GOOD)
    assert [name for name, line in jobs.items() if line.split()[2] == "finished"] == GOOD
    made, reused = slice(head.index("made"), head.index("reused")), slice(head.index("reused"), head.index("why"))
    assert jobs["baseline_onnx"][made].split(", ")[0] == "finetune" and jobs["baseline_onnx"][reused].strip() == "-"
    assert "transfer" in jobs["distillation_onnx"][made] and "finetune" in jobs["distillation_onnx"][reused]
    assert "distill" in jobs["distillation_onnx_int8"][reused] and "distill" not in jobs["distillation_onnx_int8"][made]
    assert f"sweep {parent.data.tags['sweep_id']}: 4 of 9 jobs finished, 5 not" in lines


def test_each_teacher_and_each_student_is_trained_exactly_once(troubled: Ended) -> None:
    place, _ = troubled
    made = Counter(entry["what"] for entry in place.log() if entry["what"] != "measuring")
    good = [name for name in made if not name.startswith("trouble")]
    assert Counter(name.rpartition("-")[0] for name in good) == {
        "finetune": 1, "transfer": 1, "distill": 2, "export_onnx": 2, "quantize_onnx_dynamic": 1,
    }  # fmt: skip
    assert all(made[name] == 1 for name in good), made


def test_the_sweeper_is_told_the_objectives_of_each_job_and_nan_where_it_failed(troubled: Ended) -> None:
    place, _ = troubled
    told = dict(zip(JOBS, json.loads((place.folder / "told.json").read_text()), strict=True))
    metrics = {run.data.tags["optim"]: run.data.metrics for run in place.runs() if "optim" in run.data.tags}
    for name in GOOD:
        expected = [metrics[name]["validation/accuracy"], metrics[name]["delta/speedup"]]
        assert told[name] == pytest.approx(expected, rel=1e-4)
    assert all(math.isnan(value) for name in set(JOBS) - set(GOOD) for value in told[name])
    assert all(len(values) == 2 for values in told.values())


@pytest.fixture(scope="module")
def parallel(tmp_path_factory: pytest.TempPathFactory, ready_database: Path, toy_rows: Rows) -> Iterator[Ended]:
    """Two seeds and two settings of an optimization that is made in a moment, two jobs at a time; the flag is last."""
    launcher = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    with Place(tmp_path_factory.mktemp("parallel"), ready_database, toy_rows) as place:
        yield place, place.run("optim=tfidf", "seed=1,2", "optim.steps.tfidf.features=50,100", *launcher, "-m")


def test_settings_are_rows_and_seeds_are_their_means_with_a_standard_deviation(parallel: Ended) -> None:
    place, done = parallel
    assert done.returncode == 0, done.stderr
    (parent,) = place.parents()
    titles, _, *rows = [line.strip("| ").split(" | ") for line in text_of(place, parent, "comparison.md").splitlines()[:5]]
    cells = {row[0].removesuffix(" !"): dict(zip(titles, row, strict=True)) for row in rows}  # !: the machine was busy
    assert set(cells) == {"baseline_onnx (2 seeds) *", "tfidf features=50 (2 seeds)", "tfidf features=100 (2 seeds)"}
    runs = [run for run in place.runs("tags.settings = 'features=50'") if run.data.tags["optim"] == "tfidf"]
    first, second = (run.data.metrics["throughput/texts_per_s"] for run in runs)
    mean, std = (first + second) / 2, abs(first - second) / math.sqrt(2)
    assert cells["tfidf features=50 (2 seeds)"]["texts/s"] == f"{mean:.0f} ±{std:.0f}"
    assert "tfidf features=100 seed=1" in done.stdout


def test_jobs_at_the_same_time_build_what_they_share_once(parallel: Ended) -> None:
    place, _ = parallel
    assert {status for runs in place.statuses().values() for _, status in runs} == {"FINISHED"}
    baselines = [run for run in place.runs() if run.data.tags.get("optim") == "baseline_onnx"]
    assert len(place.statuses()) == 4 and len(baselines) == 2, "one baseline for each seed"
    made = Counter(entry["what"] for entry in place.log() if entry["what"] != "measuring")
    assert set(made.values()) == {1}
    kinds = Counter(name.rpartition("-")[0] for name in made)
    assert kinds == {"finetune": 2, "export_onnx": 2, "tfidf": 4, "calibrate": 4}


def test_all_jobs_are_made_before_the_first_is_measured_and_they_are_measured_one_after_the_other(parallel: Ended) -> None:
    place, done = parallel
    log = place.log()
    measured = sorted((entry for entry in log if entry["what"] == "measuring"), key=lambda entry: entry["start"])
    made = [entry for entry in log if entry["what"] != "measuring"]
    assert max(entry["end"] for entry in made) < measured[0]["start"]
    assert all(one["end"] < other["start"] for one, other in pairwise(measured))
    assert len({entry["process"] for entry in made}) == len({entry["process"] for entry in measured}) == 4
    told = [line for line in done.stderr.splitlines() if line.startswith("measuring ") and " of 4: " in line]
    assert len(told) == 4 and told[0] == "measuring 1 of 4: tfidf features=50 seed=1", done.stderr


@pytest.fixture
def place(tmp_path: Path, ready_database: Path, toy_rows: Rows) -> Iterator[Place]:
    with Place(tmp_path / "place", ready_database, toy_rows) as place:
        yield place


def test_what_is_trained_is_compared_with_an_untrained_network_that_has_no_quality(place: Place) -> None:
    tried = ["optim=tfidf,untrained", "optim@baseline=untrained"]
    done = place.run("-m", "experiment=hundredfold", *tried, "objective=[validation/accuracy,validation/delta_accuracy_pp]")
    assert done.returncode == 0, done.stderr
    assert place.parents()[0].info.status == "FINISHED"
    assert "untrained *" in done.stdout and "tfidf" in done.stdout
    metrics = [run.data.metrics for run in place.runs() if run.data.tags.get("optim") == "tfidf"]
    assert len(metrics) == 1 and metrics[0]["delta/speedup"] > 0 and metrics[0]["quality/accuracy"] > 0
    told = [json.loads(file.read_text()) for file in (place.root / "sweeps").glob("*/job-*.json")]
    known = {job["optim"]: job["objective"] for job in told}
    assert all(map(math.isnan, known.pop("untrained"))), "it does not fail for it"
    ((accuracy, change),) = known.values()
    assert 0 < accuracy <= 1 and math.isnan(change)
