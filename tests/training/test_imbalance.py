"""Weights of classes are scikit-learn's, and a text counts in the loss as much as its class weighs."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from transformers.trainer_pt_utils import LabelSmoother

from pipeline.training.imbalance import WeightedCrossEntropy, balanced_cross_entropy, balanced_weights

LABELS = [0] * 7 + [1] * 2 + [3]


def test_the_weights_are_those_of_scikit_learn_and_a_class_without_texts_has_none() -> None:
    weights = balanced_weights(LABELS, classes=6)
    assert weights[[2, 4, 5]].tolist() == [0, 0, 0] and len(weights) == 6
    expected = compute_class_weight("balanced", classes=np.array([0, 1, 3]), y=LABELS)
    assert weights[[0, 1, 3]].tolist() == pytest.approx(expected.tolist())
    assert weights[LABELS].mean().item() == pytest.approx(1)


def outputs(texts: int) -> SimpleNamespace:
    torch.manual_seed(0)
    return SimpleNamespace(logits=torch.randn(texts, 4))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_with_equal_weights_the_loss_is_the_trainers_own(smoothing: float) -> None:
    labels, given = torch.tensor(LABELS), outputs(len(LABELS))
    ours = WeightedCrossEntropy(torch.ones(4), smoothing)(given, {}, labels, labels)
    assert ours.item() == pytest.approx(LabelSmoother(smoothing)({"logits": given.logits}, labels).item(), rel=1e-5)


def test_a_text_of_a_rare_class_counts_more_also_where_its_class_fills_the_batch() -> None:
    given, rare = outputs(3), torch.tensor([3, 3, 3])
    plain = torch.nn.functional.cross_entropy(given.logits, rare, label_smoothing=0.1)
    assert balanced_cross_entropy(LABELS, 0.1)(given, {}, rare, rare).item() == pytest.approx(10 / 3 * plain.item())
