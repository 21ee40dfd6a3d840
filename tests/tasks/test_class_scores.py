"""Scores in which each class counts alike, against scikit-learn."""

import warnings

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score

from pipeline.tasks.class_scores import balanced_accuracy, f1_macro


@pytest.mark.parametrize("seed", range(4))
def test_they_are_those_of_scikit_learn_also_where_a_class_is_never_true_or_never_answered(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, predicted = rng.choice([0, 1, 3], size=40, p=[0.8, 0.15, 0.05]), rng.choice([0, 2, 3], size=40)
    assert f1_macro(predicted, truth) == pytest.approx(f1_score(truth, predicted, average="macro", zero_division=0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of answers that are never true
        assert balanced_accuracy(predicted, truth) == pytest.approx(balanced_accuracy_score(truth, predicted))
