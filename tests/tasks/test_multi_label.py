"""Several labels a text: metrics as scikit-learn's, answers, thresholds, losses, and how an answer looks."""

import numpy as np
import pytest
import torch
from datasets import Dataset
from sklearn import metrics
from sklearn.preprocessing import MultiLabelBinarizer

from pipeline.runtimes import crossfit
from pipeline.tasks import TASKS, label_metrics, threshold_fitting
from pipeline.tasks.base import Answers, same, strata
from pipeline.tasks.losses import sigmoid_distillation
from pipeline.tasks.multi_label import MultiLabel
from pipeline.tasks.thresholds import Thresholds, probabilities

TASK = MultiLabel()
LABELS = ["anger", "joy", "love", "rare"]


def drawn(n: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and labels that they predict well; the last label is rare."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-1.0, 2.0, (n, 4)) - np.array([0, 0, 0, 3.0])
    return logits, rng.random((n, 4)) < probabilities(logits, 0.7)


def test_there_are_four_tasks_and_each_knows_its_name() -> None:
    assert {name: task.name for name, task in TASKS.items()} == {name: name for name in TASKS}
    assert set(TASKS) == {"single_label", "multi_label", "single_label_pairs", "multi_label_pairs"}


def test_the_metrics_are_those_of_scikit_learn() -> None:
    logits, truth = drawn()
    predicted, scores = TASK.answer(logits), probabilities(logits)
    found = TASK.quality(predicted, truth, scores, None)
    f1 = {kind: metrics.f1_score(truth, predicted, average=kind, zero_division=1.0) for kind in ("micro", "samples")}
    assert found == pytest.approx({
        "accuracy": metrics.accuracy_score(truth, predicted), "f1_micro": f1["micro"], "f1_samples": f1["samples"],
        "f1_macro": metrics.f1_score(truth, predicted, average="macro", zero_division=np.nan),
        "average_precision": metrics.average_precision_score(truth, scores, average="macro"),
    })  # fmt: skip
    mean = TASK.parts_of(predicted, truth).mean(axis=0)
    assert TASK.score_of(mean) == pytest.approx(f1["micro"]), "an epoch is chosen by the same metric"


def test_weights_stand_for_texts_that_are_repeated() -> None:
    logits, truth = drawn(50)
    predicted, repeats = TASK.answer(logits), np.random.default_rng(1).integers(0, 4, 50)
    found = label_metrics.weighted(repeats[None].astype(np.float32), predicted, truth)
    ones = np.ones((1, repeats.sum()), np.float32)
    again = label_metrics.weighted(ones, predicted.repeat(repeats, 0), truth.repeat(repeats, 0))
    assert {name: value[0] for name, value in found.items()} == pytest.approx({name: v[0] for name, v in again.items()})


def test_a_label_that_nobody_has_or_gets_does_not_count_and_an_empty_answer_may_be_right() -> None:
    truth = np.array([[1, 0, 0], [0, 0, 0]], dtype=bool)
    found = TASK.quality(truth, truth, truth.astype(float), None)
    assert found == {"accuracy": 1, "f1_micro": 1, "f1_macro": 1, "f1_samples": 1, "average_precision": 1}
    nothing = np.zeros_like(truth)
    of_nothing = TASK.quality(nothing, nothing, truth.astype(float), None)
    assert "average_precision" not in of_nothing and np.isfinite(list(of_nothing.values())).all()


def test_labels_are_lists_of_numbers_in_a_split_and_indicators_in_arrays() -> None:
    split = Dataset.from_dict({"text": ["a", "b", "c"], "label": [[0, 2], [], [3]]})
    truth = TASK.truth(split, 4)
    assert truth.tolist() == [[True, False, True, False], [False] * 4, [False, False, False, True]]
    names = TASK.names(truth, LABELS)
    assert names == [["anger", "love"], [], ["rare"]] and (TASK.indices(names, LABELS) == truth).all()
    assert TASK.shown(truth, LABELS) == ["anger + love", "(none)", "rare"]
    targets = TASK.targets([[1], None, []], 4)
    assert targets.dtype == np.float32 and targets[0].tolist() == [0, 1, 0, 0] and np.isnan(targets[1]).all()


def test_without_a_rule_a_label_is_given_from_a_half_on_and_the_most_probable_comes_first() -> None:
    logits = np.array([[0.1, -0.1, 3.0, -2.0], [-1.0, -1.0, -1.0, -1.0]])
    rule = TASK.rule(None, None)
    answers = rule.answer(logits)
    assert rule.plain and (answers.labels == TASK.answer(logits)).all() and not answers.abstained.any()
    first, second = TASK.served(answers, LABELS, None)
    assert first.labels == ["love", "anger"] and first.scores == pytest.approx([0.9526, 0.5250], abs=1e-4)
    assert second == ([], [])
    each = TASK.rule({"temperature": 2.0, "thresholds": [0.6, 0.4, 0.9, 0.5]}, None)
    assert each.answer(logits).labels.tolist() == [[False, True, False, False], [False] * 4] and not each.plain
    with pytest.raises(ValueError, match="not a valid decision rule"):
        TASK.rule({"temperature": 0.0, "thresholds": [0.5]}, None)


def test_a_margin_is_how_far_a_logit_is_from_the_other_answer() -> None:
    expected, found = np.array([[0.2, -1.0], [0.5, 1.0]]), np.array([[-0.1, -1.0], [0.4, 2.0]])
    assert TASK.margins(expected, found).tolist() == [0.2, 0.0]


def test_the_threshold_has_the_largest_f1_of_all_thresholds() -> None:
    logits, truth = drawn(300)
    scores = probabilities(logits)
    for own, true in ((scores.ravel(), truth.ravel()), (scores[:, 3], truth[:, 3])):
        found = threshold_fitting.best_threshold(own, true)
        tried = [metrics.f1_score(true, own >= value, zero_division=0.0) for value in np.unique(own)]
        assert metrics.f1_score(true, own >= found) == pytest.approx(max(tried))


def test_a_rare_label_keeps_nearly_the_common_threshold_and_a_frequent_one_has_its_own() -> None:
    logits, truth = drawn(3000)
    assert threshold_fitting.fit_temperature(logits, truth) == pytest.approx(0.7, rel=0.1)
    truth[:, 3] = False
    truth[:2, 3] = True
    one, each = (threshold_fitting.fit(logits, truth, which) for which in (threshold_fitting.ONE, threshold_fitting.EACH))
    (common,), scores = one.thresholds, probabilities(logits, each.temperature)
    assert each.temperature == one.temperature and len(each.thresholds) == 4
    for label in range(3):
        own = threshold_fitting.best_threshold(scores[:, label], truth[:, label])
        assert min(own, common) <= each.thresholds[label] <= max(own, common)
        assert each.thresholds[label] == pytest.approx(own, abs=0.01)
    rare = threshold_fitting.best_threshold(scores[:, 3], truth[:, 3])
    assert abs(each.thresholds[3] - common) < abs(each.thresholds[3] - rare) or rare == pytest.approx(common)
    assert TASK.rule(each.described(), None) == each


def test_answers_to_validation_are_crossfitted_for_several_labels_too() -> None:
    from pipeline.runtimes.base import Description

    logits, truth = drawn(200)
    folds = crossfit.folds_of(truth)
    assert np.bincount(folds).tolist() == [40] * 5 and set(strata(truth)) <= set(range(16))
    rules = [Thresholds(1.0, (0.1 * (fold + 1),)).described() for fold in range(5)]
    description = Description("onnx", LABELS, 16, fold_rules=rules, task="multi_label")
    answers = crossfit.answer(description, logits, truth)
    expected = probabilities(logits) >= 0.1 * (folds[:, None] + 1)
    assert (answers.labels == expected).all() and answers.scores.shape == (200, 4)


def test_choosing_the_best_epoch_flatters_it() -> None:
    _, truth = drawn(300)
    rng = np.random.default_rng(3)
    epochs = [TASK.parts_of(truth ^ (rng.random(truth.shape) < 0.2), truth) for _ in range(20)]
    assert 0 < crossfit.selection_optimism(np.stack(epochs), truth, TASK.score_of) < 0.05


def test_a_student_learns_the_probability_of_each_label_by_itself() -> None:
    torch.manual_seed(0)
    student, teacher, targets = torch.randn(5, 3), torch.randn(5, 3) * 3, torch.randint(2, (5, 3)).float()

    def bernoulli(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
        return p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()

    soft = bernoulli(torch.sigmoid(teacher / 2), torch.sigmoid(student / 2)).mean()
    hard = torch.nn.BCEWithLogitsLoss()(student, targets)
    assert sigmoid_distillation(student, teacher, targets, 0.3, 2.0).item() == pytest.approx(
        (0.3 * hard + 0.7 * 4 * soft).item(), rel=1e-4
    )
    targets[1] = torch.nan
    known = torch.nn.BCEWithLogitsLoss(reduction="sum")(student[[0, 2, 3, 4]], targets[[0, 2, 3, 4]]) / 15
    assert sigmoid_distillation(student, teacher, targets, 1.0, 2.0).item() == pytest.approx(known.item(), rel=1e-5)


def test_labels_of_few_texts_get_a_larger_weight_up_to_a_bound() -> None:
    truth = np.zeros((100, 2), dtype=bool)
    truth[:50, 0], truth[0, 1] = True, True
    weights = torch.from_numpy(TASK.balanced_weights(truth, 2))
    assert weights.tolist() == [1.0, 20.0]
    logits, targets = torch.zeros(100, 2), torch.from_numpy(truth.astype(np.float32))
    losses = TASK.losses(logits, targets, weights)
    assert losses.shape == (100,) and losses.mean().item() == pytest.approx(np.log(2) * (100 + 99 + 20) / 200)
    teacher = torch.randn(100, 2)
    plain, weighed = (sigmoid_distillation(logits, teacher, targets, 0.5, 2.0, each) for each in (None, weights))
    assert (weighed - plain).item() == pytest.approx(0.5 * np.log(2) * 19 / 200, rel=1e-4)


@pytest.mark.parametrize("weights", [None, np.array([1, 20], dtype=np.float32)])
def test_a_new_last_layer_starts_where_the_loss_of_a_constant_is_smallest(weights: np.ndarray | None) -> None:
    truth = np.zeros((20_000, 2), dtype=bool)
    truth[:10_000, 0], truth[:400, 1] = True, True
    biases = torch.from_numpy(TASK.head_biases(truth, weights)).requires_grad_()
    targets = torch.from_numpy(truth.astype(np.float32))
    TASK.losses(biases.expand(20_000, 2), targets, None if weights is None else torch.from_numpy(weights)).mean().backward()
    assert biases.grad is not None and biases.grad.abs().max() < 1e-3
    assert np.isfinite(TASK.head_biases(np.zeros((3, 2), dtype=bool), None)).all()


def test_changes_are_counted_label_by_label() -> None:
    truth = np.array([[1, 0], [1, 1]], dtype=bool)
    before, after = np.array([[1, 1], [1, 0]], dtype=bool), np.array([[0, 1], [1, 1]], dtype=bool)
    changes = TASK.changes_by_label(truth, before, after, 2)
    assert [each.tolist() for each in changes] == [[2, 1], [2, 2], [0, 1], [1, 0]]
    assert same(before, after).tolist() == [False, False]


def test_binarizing_agrees_with_scikit_learn() -> None:
    column = [[0, 2], [], [1, 2, 3]]
    expected = MultiLabelBinarizer(classes=range(4)).fit_transform(column)
    assert (TASK.targets(column, 4) == expected).all()
    assert isinstance(TASK.rule(None, None).answer(np.zeros((1, 4))), Answers)
