"""The best epoch is the best by the metric that is set, and how much that choice flatters it is told."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score
from transformers import EvalPrediction

from pipeline.config import Config
from pipeline.models.build import start
from pipeline.tasks import SINGLE_LABEL, TASKS
from pipeline.training.best_epoch import BestEpoch
from pipeline.training.trainer import Recipe, train

TRUTH = np.array([0] * 16 + [1] * 4)
SURE = np.array([[4.0, 0.0]] * 20)  # always class 0: the best accuracy, and the worst F1
FAIR = np.where((np.arange(20) < 12)[:, None], [[1.0, 0.0]], [[0.0, 1.0]])  # finds all of class 1, and loses 4 of class 0


def evaluated(by: str, *epochs: np.ndarray, smoothing: float = 0.0) -> tuple[list[dict[str, Any]], float]:
    """The log of these logits, one an epoch, and the optimism."""
    best = BestEpoch(SINGLE_LABEL, by, smoothing)
    log = [logged(best, logits, TRUTH) for logits in epochs]
    return log, best.optimism_pp(log, TRUTH)


def logged(best: BestEpoch, logits: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    """What the Trainer has in its log after it has evaluated in two batches."""
    halves = np.array_split(np.arange(len(truth)), 2)
    targets = torch.from_numpy(truth if truth.ndim == 1 else truth.astype(np.float32))
    kept = [best.kept(torch.from_numpy(logits[rows]), targets[rows]) for rows in halves]
    parts = [tuple(each) if isinstance(each, tuple) else (each,) for each in kept]
    joined = tuple(np.concatenate([np.asarray(part) for part in own]) for own in zip(*parts, strict=True))
    outcome = best(EvalPrediction(joined if len(joined) > 1 else joined[0], targets.numpy()))
    return {f"eval_{name}": value for name, value in outcome.items()}


def test_each_epoch_has_the_metric_that_chooses_and_accuracy() -> None:
    (sure, fair), _ = evaluated("f1_macro", SURE, FAIR)
    for entry, logits in ((sure, SURE), (fair, FAIR)):
        expected = f1_score(TRUTH, logits.argmax(1), average="macro", zero_division=0)
        assert entry["eval_f1_macro"] == pytest.approx(expected) and entry["eval_accuracy"] == 0.8
    assert evaluated("balanced_accuracy", FAIR)[0][0]["eval_balanced_accuracy"] == pytest.approx((0.75 + 1) / 2)
    assert set(evaluated("accuracy", FAIR)[0][0]) == {"eval_accuracy", "eval_answers"}


@pytest.mark.parametrize("by", [*TASKS["multi_label"].scores, "loss"])
def test_of_several_labels_any_of_their_metrics_or_the_loss_chooses(by: str) -> None:
    """The best epoch has all labels right; of noise the best is flattered, in points of micro F1 whatever chose it."""
    task, rng = TASKS["multi_label"], np.random.default_rng(0)
    truth, best = rng.random((30, 5)) < 0.3, BestEpoch(task, by)
    right = np.where(truth, 3.0, -3.0)
    log = [logged(best, logits, truth) for logits in (-right, right, rng.normal(size=right.shape))]
    assert log[1]["eval_accuracy"] == log[1]["eval_f1_micro"] == 1 and log[0]["eval_f1_micro"] == 0
    assert by == "loss" or log[1][f"eval_{by}"] == pytest.approx(1)
    assert best.optimism_pp(log, truth) == 0
    noise = [logged(best, rng.normal(size=right.shape), truth) for _ in range(12)]
    assert -5 < best.optimism_pp(noise, truth) < 20


def test_the_optimism_is_of_the_accuracy_of_the_epoch_that_the_metric_chooses() -> None:
    """Of noise the best by accuracy is flattered; what is chosen by something that knows nothing of accuracy is not."""
    rng, found = np.random.default_rng(0), dict[str, list[float]]()
    for _ in range(60):
        noise = [np.where(rng.random((20, 1)) < 0.5, [[10.0, 0.0]], [[0.0, 10.0]]) for _ in range(6)]
        unsure = 1e-3 * noise[0]  # by the loss it is always the best
        for by in ("accuracy", "f1_macro", "loss"):
            found.setdefault(by, []).append(evaluated(by, *noise[1:], unsure)[1])
    assert np.mean(found["accuracy"]) > 5 and np.mean(found["f1_macro"]) > 2
    assert found["loss"] == [0.0] * 60


@pytest.mark.slow
def test_a_training_keeps_the_epoch_that_is_best_by_the_metric_and_weighs_classes(
    compose: Callable[..., Config], tiny: list[str], tmp_path: Path
) -> None:
    config = compose(*tiny)
    splits = config.data.load(config.seed)
    rare = [row for row, label in enumerate(splits.train["label"]) if label]
    few = splits.train.select([row for row in range(len(splits.train)) if row not in rare[6:]])  # one class has most texts
    balanced = SINGLE_LABEL.balanced_weights(np.array(few["label"]), len(splits.labels))
    trained, weighed = {}, {"none": None, "balanced": balanced}
    for weights, by in (("balanced", "loss"), ("balanced", "f1_macro"), ("none", "f1_macro")):
        model, tokenizer = start(config.backbone, "teacher", splits.labels, 1)
        recipe = Recipe(4, 2e-2, 16, 0.01, 0.1, True, "never", 64, 1, weights=weighed[weights], best_by=by)
        curves = train(model, tokenizer, few, splits.validation, recipe, tmp_path / f"{weights}-{by}")
        inputs = tokenizer(list(splits.validation["text"]), return_tensors="pt", padding=True)
        with torch.inference_mode():
            trained[weights, by] = model.eval()(**inputs).logits.numpy(), curves
    truth = np.array(splits.validation["label"])
    logits, curves = trained["balanced", "loss"]
    losses = [entry["validation_loss"] for entry in curves]
    smoothed = SINGLE_LABEL.losses(torch.from_numpy(logits), torch.from_numpy(truth), None, 0.0).mean().item()
    assert smoothed == pytest.approx(min(losses), rel=1e-4)
    logits, curves = trained["balanced", "f1_macro"]
    scores = [entry["validation_f1_macro"] for entry in curves]
    assert f1_score(truth, logits.argmax(1), average="macro") == pytest.approx(max(scores))
    assert curves[-1]["selection_optimism_pp"] >= 0
    answers = {key: logits.argmax(1) for key, (logits, _) in trained.items()}
    assert (answers["balanced", "f1_macro"] > 0).sum() > (answers["none", "f1_macro"] > 0).sum()
