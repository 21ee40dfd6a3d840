"""A classifier that has only one answer is told."""

import numpy as np

from pipeline.evaluation.quality.one_answer import line, shares
from pipeline.evaluation.report import Predictions


def said(truth: list[int], predicted: list[int]) -> str:
    count = len(truth)
    texts, scores, abstained = [f"text {i}" for i in range(count)], np.ones(count), np.zeros(count, dtype=bool)
    labels = ["food", "music", "rain"]
    return line(shares(Predictions(texts, np.array(truth), np.array(predicted), scores, labels, None, abstained)))


def test_one_answer_for_several_classes_is_told_with_its_numbers() -> None:
    told = said([0, 1, 2, 1], [1, 1, 1, 1])
    assert told == "100.0% of the validation texts get the same answer, but only 50.0% have the most frequent label"


def test_other_answers_are_not() -> None:
    assert said([0, 1, 2, 1], [0, 1, 1, 1]) == ""
    assert said([1, 1, 1, 1], [1, 1, 1, 1]) == "", "as the truth has it"
    assert said([1] * 995 + [0] * 5, [1] * 993 + [0] * 7) == "", "the labels are so too"
    assert line({}) == line({"data/largest_answer_share": 1.0}) == ""
