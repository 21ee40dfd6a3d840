"""The best epoch is the best by the metric that is set, and how much that choice flatters it is told."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score
from transformers import EvalPrediction
from transformers.trainer_pt_utils import LabelSmoother

from pipeline.config import Config
from pipeline.models.build import start
from pipeline.training.best_epoch import BestEpoch, smoothed_losses
from pipeline.training.trainer import Recipe, train

TRUTH = np.array([0] * 16 + [1] * 4)
SURE = np.array([[4.0, 0.0]] * 20)  # always class 0: the best accuracy, and the worst F1
FAIR = np.where((np.arange(20) < 12)[:, None], [[1.0, 0.0]], [[0.0, 1.0]])  # finds all of class 1, and loses 4 of class 0


def evaluated(by: str, *epochs: np.ndarray, smoothing: float = 0.0) -> tuple[list[dict[str, Any]], float]:
    """The log of these logits, one an epoch, and the optimism."""
    best = BestEpoch(by, smoothing)
    found = [best(EvalPrediction(logits, TRUTH)) for logits in epochs]
    log = [{f"eval_{name}": value for name, value in each.items()} for each in found]
    return log, best.optimism_pp(log, TRUTH)


def test_each_epoch_has_the_metric_that_chooses_and_accuracy() -> None:
    (sure, fair), _ = evaluated("f1_macro", SURE, FAIR)
    for entry, logits in ((sure, SURE), (fair, FAIR)):
        expected = f1_score(TRUTH, logits.argmax(1), average="macro", zero_division=0)
        assert entry["eval_f1_macro"] == pytest.approx(expected) and entry["eval_accuracy"] == 0.8
    assert evaluated("balanced_accuracy", FAIR)[0][0]["eval_balanced_accuracy"] == pytest.approx((0.75 + 1) / 2)
    assert set(evaluated("accuracy", FAIR)[0][0]) == {"eval_accuracy", "eval_right"}


def test_the_loss_of_each_text_is_the_trainers() -> None:
    logits = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    theirs = LabelSmoother(0.1)({"logits": torch.tensor(logits)}, torch.tensor(TRUTH))
    assert smoothed_losses(logits, TRUTH, 0.1).mean() == pytest.approx(theirs.item(), rel=1e-5)


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
    trained = {}
    for weights, by in (("balanced", "loss"), ("balanced", "f1_macro"), ("none", "f1_macro")):
        model, tokenizer = start(config.backbone, "teacher", splits.labels, 1)
        recipe = Recipe(4, 2e-2, 16, 0.01, 0.1, True, "never", 64, 1, class_weights=weights, best_by=by)
        curves = train(model, tokenizer, few, splits.validation, recipe, tmp_path / f"{weights}-{by}")
        inputs = tokenizer(list(splits.validation["text"]), return_tensors="pt", padding=True)
        with torch.inference_mode():
            trained[weights, by] = model.eval()(**inputs).logits.numpy(), curves
    truth = np.array(splits.validation["label"])
    logits, curves = trained["balanced", "loss"]
    losses = [entry["validation_loss"] for entry in curves]
    assert smoothed_losses(logits, truth, 0.0).mean() == pytest.approx(min(losses), rel=1e-4)
    logits, curves = trained["balanced", "f1_macro"]
    scores = [entry["validation_f1_macro"] for entry in curves]
    assert f1_score(truth, logits.argmax(1), average="macro") == pytest.approx(max(scores))
    assert curves[-1]["selection_optimism_pp"] >= 0
    answers = {key: logits.argmax(1) for key, (logits, _) in trained.items()}
    assert (answers["balanced", "f1_macro"] > 0).sum() > (answers["none", "f1_macro"] > 0).sum()
