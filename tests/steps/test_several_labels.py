"""Several labels a text, or a pair: thresholds, answers as they are served, a measured run, and the decision on it."""

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest
import torch
from mlflow import MlflowClient

from pipeline.commands import predict
from pipeline.config import Decide
from pipeline.deployment.serve.answers import Answerer
from pipeline.models.checkpoints import weights_of
from pipeline.models.head import last_layer
from pipeline.run import Outcome, run
from pipeline.runtimes.base import Description
from pipeline.selection.candidate import Candidate
from pipeline.selection.decision import decide
from pipeline.steps.shared.trained import start_training
from pipeline.tasks.inputs import inputs_of, to_json
from pipeline.tasks.thresholds import Thresholds
from pipeline.tracking.evidence import evidence_of
from pipeline.tracking.server import database_uri
from tests.support.tasks import BOTH, LABELS, QUERIES, SEVERAL, Maker

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("task", [SEVERAL, BOTH])
def test_thresholds_are_fitted_and_crossfitted(task: str, maker: Maker) -> None:
    made = maker.made(task, "static_embeddings")
    description = Description.read(made.artifact)
    assert isinstance(description.rule, Thresholds) and not description.rule.plain
    assert len(description.rule.thresholds) == 1 and len(description.fold_rules or ()) == 5
    assert made.metrics["calibrate/threshold"] == description.rule.thresholds[0]


def test_answers_are_served_with_their_labels(maker: Maker, capsys: pytest.CaptureFixture[str]) -> None:
    artifact, text = maker.artifact(SEVERAL, "tfidf"), "play a song and order a pizza"
    assert predict.main(["--model", str(artifact), text]) == 0
    line = json.loads(capsys.readouterr().out)
    (answer,) = Answerer(artifact)([text])
    assert line == {"text": text, "labels": answer.labels, "scores": [round(each, 4) for each in answer.scores]}
    assert set(answer.labels) == {"music", "food"} and answer.scores == sorted(answer.scores, reverse=True)
    predict.main(["--model", str(artifact), "--format", "csv", text])
    header, row = csv.reader(capsys.readouterr().out.splitlines())
    assert header == ["text", "labels", "scores"] and row[1] == "|".join(answer.labels)
    both = maker.artifact(BOTH, "tfidf")
    predict.main(["--model", str(both), "--format", "csv", json.dumps(to_json(QUERIES[0]))])
    header, row = csv.reader(capsys.readouterr().out.splitlines())
    assert header == ["text", "text_pair", "labels", "scores"] and tuple(row[:2]) == QUERIES[0]


def test_a_training_starts_with_the_frequencies_of_the_labels(maker: Maker) -> None:
    context = maker.context(SEVERAL)
    shares = context.splits.task.truth(context.splits.train, len(context.splits.labels)).mean(axis=0)
    for role in ("teacher", "student"):
        model, _ = start_training(weights_of(context.backbone, role).finetune, context, role)
        _, head = last_layer(model)
        assert torch.sigmoid(head.bias).detach().numpy() == pytest.approx(shares, abs=0.02)


@pytest.fixture(scope="module")
def outcomes(maker: Maker) -> dict[str, Outcome]:
    """The baseline and another one, measured."""
    more = ["optim@baseline=baseline_onnx", "backbone.teacher.finetune.pos_weight=balanced"]
    best = "backbone.teacher.finetune.best_by=f1_macro"
    return {name: run(maker.config(SEVERAL, name, [*more, best])) for name in ("baseline_onnx", "tfidf")}


def test_a_run_has_the_metrics_of_several_labels_and_decide_judges_them(maker: Maker, outcomes: dict[str, Outcome]) -> None:
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
    assert rows[0].metrics["delta/f1_micro_pp"] == 0, "the baseline equals itself"
    assert "quality/balanced_accuracy" not in metrics, "it is of one label a text"
    assert not any(np.isnan(outcomes["tfidf"].objective(["validation/f1_micro", "validation/f1_macro"])))
    client = MlflowClient(database_uri(maker.root))
    candidates = [Candidate((row,), (evidence_of(client, row.run_id),)) for row in rows]
    assert all(each.evidence[0].parts is not None for each in candidates)
    answered = candidates[1].evidence[0].test
    assert answered is not None and answered.labels is not None and answered.recalled is not None
    assert answered.baseline_recalled is not None and answered.baseline_recalled.shape == answered.labels.shape
    chosen = decide("toy/tiny", candidates, {"min_f1_micro": 0.1}, Decide(prefer="accuracy", strict=False))
    assert chosen.chosen is candidates[1] and chosen.reported().startswith("micro F1 of these weights on test: ")
    strict = decide("toy/tiny", candidates, {"min_f1_macro": 0.999999}, Decide())
    assert strict.chosen is None and "macro F1 on validation" in strict.why_not(candidates[0])
    page = Path(client.download_artifacts(rows[1].run_id, "flips.md", str(maker.root))).read_text(encoding="utf-8")
    assert "McNemar's test of each class, with Holm's correction" in page
    flips = Path(client.download_artifacts(rows[1].run_id, "flips.csv", str(maker.root))).read_text(encoding="utf-8")
    assert flips.startswith("kind,text,label,baseline,candidate\n") and ",food + music," in flips
    classes = Path(client.download_artifacts(rows[1].run_id, "classes.csv", str(maker.root))).read_text(encoding="utf-8")
    recalls = {line["class"]: line["recall"] for line in csv.DictReader(classes.splitlines())}
    assert recalls == {name: f"{answered.recalled[answered.labels == name].mean():.4f}" for name in LABELS[SEVERAL]}
    (epoch,) = client.get_metric_history(rows[0].run_id, "training/validation_f1_macro")
    assert 0 <= epoch.value <= 1, "it chose the epoch"


def test_a_run_measures_pairs_with_several_labels(maker: Maker, tmp_path: Path) -> None:
    outcome = run(maker.config(BOTH, "tfidf", ["optim@baseline=static_embeddings"]))
    assert outcome.row.metrics["delta/speedup"] > 0 and 0 < outcome.row.metrics["quality/f1_micro"] <= 1
    client, run_id = MlflowClient(database_uri(maker.root)), outcome.row.run_id
    table = parquet.read_table(client.download_artifacts(run_id, "predictions.parquet", str(tmp_path)))
    assert list(zip(table["text"].to_pylist(), table["text_pair"].to_pylist(), strict=True)) == inputs_of(
        maker.context(BOTH).splits.test
    )
    assert set().union(*table["label"].to_pylist()) == {"food", "music", "same", "weather"}
