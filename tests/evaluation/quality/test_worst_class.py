"""The worst class: its interval, which holds whatever the number of classes, and what an average hides."""

import numpy as np
import pytest

from pipeline.evaluation.metrics import MIN_CLASS_TEXTS
from pipeline.evaluation.quality.intervals import tango, wilson
from pipeline.evaluation.quality.paired import compare, estimate
from pipeline.evaluation.quality.worst_class import largest_loss, lowest_recall
from pipeline.tasks import TASKS

TRUTH = np.repeat(np.arange(4), (400, 60, 30, MIN_CLASS_TEXTS - 1))


def wrong(**lost: int) -> np.ndarray:
    """Answers of which so many of a class, c0 to c3, are wrong."""
    answers = TRUTH.copy()
    for name, count in lost.items():
        answers[np.flatnonzero(int(name[1]) == TRUTH)[:count]] = (int(name[1]) + 1) % 4
    return answers


def test_the_lowest_recall_has_the_lowest_bound_and_an_upper_one_for_all_classes_together() -> None:
    found = lowest_recall(wrong(c0=40, c1=12, c2=3, c3=19) == TRUTH, TRUTH)
    assert found is not None and found.lowest == "1" and found.least_sure == "1"
    assert found.texts == {"0": 400, "1": 60, "2": 30} and found.unjudged == {"3": MIN_CLASS_TEXTS - 1}
    assert found.interval.value == 0.8 and found.interval.low == wilson(48, 60).low
    corrected = wilson(48, 60, 1 - 0.05 / 3)
    assert found.interval.high == corrected.high > wilson(48, 60).high


def test_a_small_class_may_be_the_least_sure_though_it_lost_nothing() -> None:
    found = largest_loss(TRUTH == TRUTH, wrong(c0=4) == TRUTH, TRUTH)
    assert found is not None and (found.lowest, found.least_sure) == ("0", "2")
    assert found.interval.value == -0.01 and found.interval.low == tango(0, 0, 30).low < tango(0, 4, 400).low


def test_where_no_class_has_enough_texts_there_is_no_worst_class() -> None:
    few = TRUTH[TRUTH == 3]
    assert lowest_recall(few == few, few) is None and largest_loss(few == few, few == few, few) is None
    assert "class_recall" not in compare(few, few, few, 4, None).differences
    assert "class_recall" not in estimate(few, few, 4, None)


def test_a_label_of_several_that_is_lost_is_seen_whatever_the_others_are() -> None:
    truth, task = np.ones((50, 3), dtype=bool), TASKS["multi_label"]
    truth[25:, 2] = False
    answered = truth.copy()
    answered[:20, 2], answered[:5, 0] = False, False
    found = compare(truth, answered, truth, 3, None, task).differences["class_recall"]
    assert found.value == pytest.approx(-0.8) and found.low == pytest.approx(tango(0, 20, 25).low)
    assert estimate(answered, truth, 3, None, task)["class_recall"].value == pytest.approx(0.2)
    nothing = np.zeros_like(truth)
    assert "class_recall" not in estimate(nothing, nothing, 3, None, task)


def test_what_has_the_same_accuracy_may_have_lost_a_class() -> None:
    before, after = wrong(c0=15), wrong(c2=15)
    found = compare(before, after, TRUTH, 4, None)
    assert found.differences["accuracy"].value == 0 and found.differences["balanced_accuracy"].value < -0.1
    assert found.differences["class_recall"].value == -0.5 and found.differences["class_recall"].high < -0.2
    assert found.metrics()["delta/class_recall_pp"] == -50
    assert estimate(after, TRUTH, 4, None)["class_recall"].value == 0.5


@pytest.mark.parametrize("confidence", [0.8, 0.999])
def test_an_interval_of_another_confidence_is_narrower_or_wider(confidence: float) -> None:
    for usual, other in ((wilson(48, 60), wilson(48, 60, confidence)), (tango(3, 8, 60), tango(3, 8, 60, confidence))):
        assert other.value == usual.value
        assert (other.low < usual.low and other.high > usual.high) == (confidence > 0.95)
