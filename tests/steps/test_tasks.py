"""The matrix of tasks and optimizations: each makes a classifier with several labels, or says that it can't."""

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import transformers
from mlflow import MlflowClient

from pipeline.commands import predict
from pipeline.commands.configuration.compose import configs, parse_arguments
from pipeline.config import KINDS, Config, Decide, Track
from pipeline.deployment.registry import write_model
from pipeline.deployment.serve.answers import Answerer
from pipeline.errors import ConfigError
from pipeline.run import Outcome, run
from pipeline.runtimes.base import Description, PublishedForm, load, runtime_of
from pipeline.selection.candidate import Candidate
from pipeline.selection.decision import decide
from pipeline.steps.execute import StepsResult, run_steps
from pipeline.steps.finetune import all_steps
from pipeline.steps.load_checkpoint import store_checkpoint
from pipeline.tasks.thresholds import Thresholds
from pipeline.tracking.evidence import evidence_of
from pipeline.tracking.job import prepare
from pipeline.tracking.server import database_uri
from tests.conftest import shrunk, small, write_csv

pytestmark = pytest.mark.slow

REFUSED = "cascade"  # whether its cheap classifier is sure is a matter of one score
OPTIMS = (
    "baseline", "baseline_calibrated", "baseline_int8", "baseline_onnx", "baseline_onnx_4bit", "baseline_onnx_int8",
    "baseline_onnx_static", "baseline_openvino_int8", "bert_base_random", "distilbert", "movement_pruning",
    "static_embeddings", "structured_pruning", "student_2l_low_rank", "student_2l_narrow", "student_2l_trimmed", "tfidf",
)  # fmt: skip
LEFT_OUT = {"compile", "load_checkpoint", "cascade"}  # a minute of a compiler; tested below; refused
LABELS = ["food", "music", "weather"]
TEXTS = ["rain tomorrow", "play a song and order a pizza"]


@dataclass(frozen=True)
class Matrix:
    """What came of every optimization with several labels."""

    root: Path
    jobs: dict[str, Config]
    made: dict[str, StepsResult]


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory, ready_database: Path, toy_rows: list[tuple[str, str]]) -> Matrix:
    folder = tmp_path_factory.mktemp("several")
    root = folder / "mlruns"
    root.mkdir()
    shutil.copy(ready_database, root / "mlflow.db")
    paired = zip(toy_rows[:60], toy_rows[30:], strict=True)  # every text has two topics, and a few have none
    rows = [(f"{one} {other}", "|".join(sorted({own, its}))) for (one, own), (other, its) in paired]
    file = write_csv(folder / "toy.csv", [*rows, *toy_rows, *[(f"hm {number}", "") for number in range(6)]])
    names = [
        "-m",
        f"optim={','.join((*OPTIMS, REFUSED))}",
        "optim@baseline=baseline_onnx",
        *small(Path("mlruns"), file),
        "data.label_separator='|'",
    ]
    names.append("backbone.teacher.finetune.pos_weight=balanced")
    composed = [replace(job.config, track=Track(root=str(root))) for job in configs(parse_arguments(names))]
    jobs = {config.optim.name: shrunk(config) for config in composed}
    made = {}
    for name, config in jobs.items():
        if name != REFUSED:
            job = prepare(config)
            made[name] = run_steps(config.optim, job.context, job.store)
    return Matrix(root, jobs, made)


def test_the_optimizations_have_every_kind_of_step(matrix: Matrix) -> None:
    kinds = {step.kind for name in OPTIMS for step in all_steps(matrix.jobs[name].optim, matrix.jobs[name].backbone)}
    assert kinds - {"transfer"} == KINDS["step"].keys() - LEFT_OUT


@pytest.mark.parametrize("optim", OPTIMS)
def test_every_optimization_makes_a_classifier_with_several_labels(optim: str, matrix: Matrix) -> None:
    artifact = matrix.made[optim].artifact
    description = Description.read(artifact)
    logits = load(artifact, threads=1).logits(TEXTS)
    assert description.task == "multi_label" and description.labels == LABELS
    assert logits.shape == (2, 3) and np.isfinite(logits).all() and logits.std() > 0
    answers = description.rule.answer(logits)
    assert answers.labels.shape == answers.scores.shape == (2, 3) and answers.labels.dtype == bool


def test_what_does_not_fit_is_told_before_anything_is_trained(matrix: Matrix) -> None:
    stages = set((matrix.root / "stages").iterdir())
    with pytest.raises(ConfigError, match="cascade does not support the task multi_label, only single_label"):
        run(matrix.jobs[REFUSED])
    assert set((matrix.root / "stages").iterdir()) == stages


def test_transformers_gives_the_same_scores(matrix: Matrix) -> None:
    artifact = matrix.made["baseline"].artifact
    assert runtime_of(artifact).published_form(artifact) is PublishedForm.STANDARD
    theirs = transformers.pipeline("text-classification", model=str(artifact), device="cpu", top_k=None)(TEXTS)
    scores = Description.read(artifact).rule.answer(load(artifact, 1).logits(TEXTS)).scores
    for row, found in enumerate(theirs):
        ours = dict(zip(LABELS, scores[row], strict=True))
        assert {each["label"]: each["score"] for each in found} == pytest.approx(ours, abs=1e-5)


def test_a_checkpoint_with_several_labels_answers_as_it_did(matrix: Matrix, tmp_path: Path) -> None:
    artifact = matrix.made["baseline"].artifact
    store_checkpoint(artifact, prepare(matrix.jobs["baseline"]).context, tmp_path)
    assert Description.read(tmp_path).task == "multi_label"
    assert load(tmp_path, 1).logits(TEXTS) == pytest.approx(load(artifact, 1).logits(TEXTS))


def test_thresholds_are_fitted_and_crossfitted(matrix: Matrix) -> None:
    description = Description.read(matrix.made["baseline_calibrated"].artifact)
    assert isinstance(description.rule, Thresholds) and not description.rule.plain
    assert len(description.rule.thresholds) == 1 and len(description.fold_rules or ()) == 5
    assert matrix.made["baseline_calibrated"].metrics["calibrate/threshold"] == description.rule.thresholds[0]


def test_answers_are_served_with_their_labels(matrix: Matrix, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from pipeline.deployment.serve.model_several import TextClassifier

    artifact = matrix.made["tfidf"].artifact
    assert predict.main(["--model", str(artifact), "play a song and order a pizza"]) == 0
    line = json.loads(capsys.readouterr().out)
    (answer,) = Answerer(artifact)(["play a song and order a pizza"])
    scores = [round(each, 4) for each in answer.scores]
    assert line == {"text": "play a song and order a pizza", "labels": answer.labels, "scores": scores}
    assert set(answer.labels) == {"music", "food"} and answer.scores == sorted(answer.scores, reverse=True)
    predict.main(["--model", str(artifact), "--format", "csv", "play a song and order a pizza"])
    header, row = csv.reader(capsys.readouterr().out.splitlines())
    assert header == ["text", "labels", "scores"] and row[1] == "|".join(answer.labels)
    write_model(artifact, tmp_path / "bundle", {"threads": 1, "batch_size": 2})
    assert (tmp_path / "bundle" / "model_several.py").is_file()
    served = TextClassifier()
    served.load_context(SimpleNamespace(model_config={"threads": 1, "batch_size": 2}, artifacts={"classifier": artifact}))
    assert served.predict(TEXTS)[1].labels == answer.labels


def test_weights_of_labels_are_for_several_labels(compose: Callable[..., Config], tiny: list[str]) -> None:
    with pytest.raises(ConfigError, match="pos_weight=balanced: it is for several labels a text"):
        prepare(compose("optim=baseline", "backbone.teacher.finetune.pos_weight=balanced", *tiny))


@pytest.fixture(scope="module")
def outcomes(matrix: Matrix) -> dict[str, Outcome]:
    """The baseline and another one, measured."""
    return {name: run(matrix.jobs[name]) for name in ("baseline_onnx", "tfidf")}


def test_a_run_has_the_metrics_of_several_labels_and_decide_judges_them(
    matrix: Matrix, outcomes: dict[str, Outcome]
) -> None:
    rows = [outcome.row for outcome in outcomes.values()]
    metrics = rows[1].metrics
    for name in ("accuracy", "f1_micro", "f1_macro", "f1_samples"):
        for key in (f"quality/{name}", f"validation/{name}"):
            assert 0 <= metrics[f"{key}_low"] <= metrics[key] <= metrics[f"{key}_high"] <= 1
    assert 0 < metrics["quality/average_precision"] <= 1 and 0 < metrics["quality/ece"] < 1
    assert metrics["delta/f1_micro_pp_low"] <= metrics["delta/f1_micro_pp"] <= metrics["delta/f1_micro_pp_high"]
    assert metrics["validation/delta_f1_macro_pp"] == pytest.approx(
        100 * (metrics["validation/f1_macro"] - rows[0].metrics["validation/f1_macro"]), abs=0.01
    )
    assert not any(np.isnan(outcomes["tfidf"].objective(["validation/f1_micro", "validation/f1_macro"])))
    client = MlflowClient(database_uri(matrix.root))
    candidates = [Candidate((row,), (evidence_of(client, row.run_id),)) for row in rows]
    assert all(each.evidence[0].parts is not None for each in candidates)
    chosen = decide("toy/tiny", candidates, {"min_f1_micro": 0.1}, Decide(prefer="accuracy", strict=False))
    assert chosen.chosen is candidates[1] and chosen.reported().startswith("micro F1 of these weights on test: ")
    strict = decide("toy/tiny", candidates, {"min_f1_macro": 0.999999}, Decide())
    assert strict.chosen is None and "macro F1 on validation" in strict.why_not(candidates[0])
    page = Path(client.download_artifacts(rows[1].run_id, "flips.md", str(matrix.root))).read_text(encoding="utf-8")
    assert "McNemar's test of each class, with Holm's correction" in page
    flips = Path(client.download_artifacts(rows[1].run_id, "flips.csv", str(matrix.root))).read_text(encoding="utf-8")
    assert flips.startswith("kind,text,label,baseline,candidate\n") and ",food + music," in flips
