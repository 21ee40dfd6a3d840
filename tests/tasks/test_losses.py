"""Weights of classes are scikit-learn's, and a text counts in the loss as much as its class weighs."""

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from transformers.trainer_pt_utils import LabelSmoother

from pipeline.tasks import SINGLE_LABEL, TASKS

LABELS = np.array([0] * 7 + [1] * 2 + [3])


def test_the_weights_are_those_of_scikit_learn_and_a_class_without_texts_has_none() -> None:
    weights = SINGLE_LABEL.balanced_weights(LABELS, 6)
    assert weights[[2, 4, 5]].tolist() == [0, 0, 0] and len(weights) == 6
    expected = compute_class_weight("balanced", classes=np.array([0, 1, 3]), y=LABELS)
    assert weights[[0, 1, 3]].tolist() == pytest.approx(expected.tolist())
    assert weights[LABELS].mean() == pytest.approx(1)


def logits(texts: int) -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(texts, 4)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [None, torch.ones(4)])
def test_with_equal_weights_the_loss_is_transformers_own(smoothing: float, weights: torch.Tensor | None) -> None:
    labels, given = torch.from_numpy(LABELS), logits(len(LABELS))
    ours = SINGLE_LABEL.losses(given, labels, weights, smoothing)
    theirs = LabelSmoother(smoothing)({"logits": given}, labels)
    assert ours.shape == labels.shape and ours.mean().item() == pytest.approx(theirs.item(), rel=1e-5)


def test_a_text_of_a_rare_class_counts_more_also_where_its_class_fills_the_batch() -> None:
    given, rare = logits(3), torch.tensor([3, 3, 3])
    weights = torch.from_numpy(SINGLE_LABEL.balanced_weights(LABELS, 4))
    plain = torch.nn.functional.cross_entropy(given, rare, label_smoothing=0.1)
    assert SINGLE_LABEL.losses(given, rare, weights, 0.1).mean().item() == pytest.approx(10 / 3 * plain.item())


def test_what_transformers_decides_by_the_problem_type_is_the_loss_of_the_task() -> None:
    """The loss with which transformers would train such a network."""
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    for task in TASKS.values():
        config = BertConfig(vocab_size=9, hidden_size=4, num_hidden_layers=1, num_attention_heads=1, intermediate_size=4,
                            num_labels=4, problem_type=task.problem_type)  # fmt: skip
        column = [0, 3] if task.outcome == "single_label" else [[0], [1, 3]]
        targets = torch.from_numpy(task.targets(column, 4))
        found = BertForSequenceClassification(config).eval()(torch.tensor([[1, 2], [3, 4]]), labels=targets)
        assert task.losses(found.logits, targets).mean().item() == pytest.approx(found.loss.item(), rel=1e-5)
