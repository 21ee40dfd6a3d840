"""The single-label task: the answer without a rule, and the texts that each metric is a share of."""

import numpy as np

from pipeline.tasks.single_label import answer, out_of_scope, parts

TRUTH, PREDICTED, OOS = np.array([0, 1, 2, 2, 0]), np.array([0, 2, 2, 1, 1]), 2


def test_the_answer_is_the_label_with_the_largest_logit() -> None:
    assert answer(np.array([[0.1, 3.0, -1.0], [2.0, 1.0, 2.5]])).tolist() == [1, 2]


def test_each_metric_is_the_share_of_right_answers_among_its_texts() -> None:
    masks = parts(TRUTH, PREDICTED, OOS)
    right = TRUTH == PREDICTED
    shares = {name: (int(right[mask].sum()), int(mask.sum())) for name, mask in masks.items()}
    assert shares == {"accuracy": (2, 5), "in_scope_accuracy": (1, 3), "oos_recall": (1, 2), "oos_precision": (1, 2)}


def test_without_an_out_of_scope_label_every_text_is_in_scope() -> None:
    assert not out_of_scope(TRUTH, None).any() and out_of_scope(TRUTH, OOS).tolist() == [False, False, True, True, False]
    assert set(parts(TRUTH, PREDICTED, None)) == {"accuracy"}
