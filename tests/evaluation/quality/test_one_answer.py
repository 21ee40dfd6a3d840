"""A classifier that has only one answer is told."""

import numpy as np

from pipeline.evaluation.quality.one_answer import largest_answer_share, one_answer_message
from pipeline.evaluation.report import Predictions


def predictions(truth: list[int], predicted: list[int]) -> Predictions:
    count = len(truth)
    texts, scores, abstained = [f"text {i}" for i in range(count)], np.ones(count), np.zeros(count, dtype=bool)
    return Predictions(texts, np.array(truth), np.array(predicted), scores, ["food", "music", "rain"], None, abstained)


def test_one_answer_for_several_classes_is_told_with_its_numbers() -> None:
    found = predictions([0, 1, 2, 1], [1, 1, 1, 1])
    assert largest_answer_share(found) == 1
    message = one_answer_message(found)
    assert "100.0% of the texts get the answer 'music'" in message and "3 classes" in message and "50.0%" in message


def test_other_answers_are_not() -> None:
    assert one_answer_message(predictions([0, 1, 2, 1], [0, 1, 1, 1])) == ""
    assert one_answer_message(predictions([1, 1, 1, 1], [1, 1, 1, 1])) == "", "as the truth has it"
