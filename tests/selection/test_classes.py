"""Bounds on the worst class: an average hides a class that a smaller network has lost."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.config import Decide
from pipeline.evaluation.evidence import Answered, Evidence
from pipeline.evaluation.quality.paired import compare, estimate
from pipeline.evaluation.quality.seeds import change_over_seeds
from pipeline.selection.candidate import Candidate
from pipeline.selection.classes import worst_class
from pipeline.selection.constraints import TEST, Rules
from pipeline.selection.decision import decide
from tests.support.candidates import row, words

NAMES = ["pay", "refund", "cancel", "odd"]
TRUTH = np.repeat(np.arange(4), (400, 400, 120, 8))
PREFIX = {"validation": ("validation/", "validation/delta_"), "test": ("quality/", "delta/")}


def answers(wrong: dict[str, int]) -> np.ndarray:
    """The answers to TRUTH of which so many of each class are wrong."""
    found = TRUTH.copy()
    for name, count in wrong.items():
        place = NAMES.index(name)
        found[np.flatnonzero(place == TRUTH)[:count]] = (place + 1) % 4
    return found


def logged(split: str, baseline: np.ndarray, candidate: np.ndarray) -> dict[str, float]:
    """The metrics of a split, as a run logs them."""
    share, change = PREFIX[split]
    found = dict[str, float]()
    for name, it in estimate(candidate, TRUTH, 4, None).items():
        found |= {f"{share}{name}{bound}": value for bound, value in ({"": it.value} | it.bounds()).items()}
    for key, value in compare(baseline, candidate, TRUTH, 4, None).metrics().items():
        found[key.replace("delta/", change)] = value
    return found


def candidate(name: str, validation: dict[str, int], test: dict[str, int] | None = None, seed: int = 42) -> Candidate:
    """Its wrong answers by class; the baseline has 20 in each of the two large classes and 6 in `cancel`."""
    before = answers({"pay": 20, "refund": 20, "cancel": 6})
    metrics, answered = dict[str, float](), dict[str, Answered]()
    for split, wrong in (("validation", validation), ("test", test or validation)):
        after = answers(wrong)
        metrics |= logged(split, before, after)
        texts = tuple(map(str, range(len(TRUTH))))
        answered[split] = Answered(texts, after == TRUTH, before == TRUTH, labels=np.array(NAMES)[TRUTH])
    one, plain = answered["validation"], row(name, seed=seed)
    evidence = Evidence(one.texts, one.right, one.baseline, answered["test"], labels=one.labels)
    return Candidate((replace(plain, metrics=plain.metrics | metrics),), (evidence,))


def test_a_label_of_several_is_judged_by_the_texts_that_have_it() -> None:
    texts, labels = ("one", "two"), np.repeat(["joy", "anger"], 40)
    recalled, before = np.arange(80) < 50, labels == "joy"
    whole = Answered(texts, np.zeros(2, dtype=bool), None, labels=labels, recalled=recalled, baseline_recalled=before)
    both = worst_class("quality/class_recall", [Evidence(test=whole)] * 2)
    found = worst_class("delta/class_recall_pp", [Evidence(test=whole)])
    assert both is not None and both.lowest == "anger" and both.interval.value == 0.25
    assert found is not None and found.lowest == "joy" and found.interval.value == 0.0


EVEN = candidate("even", {"pay": 20, "refund": 20, "cancel": 6})
LOST = candidate("lost", {"pay": 2, "refund": 4, "cancel": 40})


def test_a_candidate_with_the_same_accuracy_and_a_lost_class_is_rejected_and_the_class_is_named() -> None:
    assert LOST.rows[0].metrics["validation/accuracy"] == EVEN.rows[0].metrics["validation/accuracy"]
    assert not words(LOST, accuracy_loss=0.02) and not words(EVEN, accuracy_loss=0.02, class_recall_loss=0.05)
    (why,) = words(LOST, accuracy_loss=0.02, class_recall_loss=0.05)
    assert why.startswith("change of recall of the worst class on validation -28.33 pp [-36.97, ")
    assert why.endswith("(lowest: 'cancel', 120 texts), at least -5 pp")
    (why,) = words(LOST, strict=False, min_class_recall=0.9)
    assert "recall of the worst class on validation 66.67 %" in why and "(lowest: 'cancel', 120 texts), at least 90 %" in why
    assert not words(EVEN, min_class_recall=0.85)
    decision = decide("toy", [LOST, EVEN], {"class_recall_loss": 0.05}, Decide("accuracy"))
    assert decision.chosen is EVEN and "'cancel'" in decision.why_not(LOST)


def test_a_class_whose_interval_does_not_keep_the_bound_is_named_beside_the_one_that_lost_most() -> None:
    """120 texts without a flip can't show that 2 points are kept."""
    some = candidate("some", {"pay": 24, "refund": 20, "cancel": 6})
    (why,) = words(some, class_recall_loss=0.02)
    assert "-1.00 pp [-3.10, " in why and "(lowest: 'pay', 400 texts; least sure: 'cancel', 120 texts)" in why
    assert "the value keeps it, its interval does not" in why
    assert not words(some, strict=False, class_recall_loss=0.02)


def test_a_class_that_is_lost_on_test_alone_is_not_confirmed() -> None:
    late = candidate("late", {"pay": 20, "refund": 20, "cancel": 6}, {"pay": 2, "refund": 4, "cancel": 40})
    decision = decide("toy", [late], {"class_recall_loss": 0.05}, Decide("accuracy"))
    assert decision.unconfirmed is late and "'cancel', 120 texts" in decision.verdict()
    assert not Rules({"class_recall_loss": 0.05}, True).failures(EVEN, TEST)


def test_classes_that_are_too_small_are_counted_and_named_and_none_is_judged_without_a_word() -> None:
    gone = candidate("gone", {"pay": 20, "refund": 20, "cancel": 6, "odd": 8})
    decision = decide("toy", [gone], {"class_recall_loss": 0.05}, Decide("accuracy"))
    assert decision.chosen is gone
    assert (
        "1 of 4 classes have fewer than 20 texts on validation ('odd' 8): no bound on the worst class judges them"
        in decision.notes
    )
    assert sum("have fewer" in note for note in decision.notes) == 2
    assert not decide("toy", [gone], {"accuracy_loss": 0.05}, Decide("accuracy")).notes
    unknown = Candidate((row("unknown"),))
    assert words(unknown, min_class_recall=0.5) == [
        "recall of the worst class was not measured on validation (it needs a class of 20 texts), at least 50 % is required"
    ]


def test_over_seeds_the_class_is_judged_by_its_mean_with_texts_and_seeds_drawn_together() -> None:
    seeds = [candidate("x", {"pay": 20, "refund": 20, "cancel": lost}, seed=lost) for lost in (10, 30, 20)]
    both = Candidate(tuple(one.rows[0] for one in seeds), tuple(one.evidence[0] for one in seeds))
    found = both.metric("validation/delta_class_recall_pp")
    before, after = (
        np.stack([np.asarray(getattr(run, name)) for run in both.evidence]) for name in ("baseline_right", "right")
    )
    of = [place == TRUTH for place in range(3)]
    assert found is not None and found.value == pytest.approx(-100 * 14 / 120)
    assert found.low == pytest.approx(100 * change_over_seeds(before[:, of[2]], after[:, of[2]]).low)
    highs = [change_over_seeds(before[:, mask], after[:, mask], 1 - 0.05 / 3).high for mask in of]
    assert found.high == pytest.approx(100 * min(highs)), "the least of all, corrected for three classes"
    share = both.metric("quality/class_recall")
    assert share is not None and share.value == pytest.approx(1 - 20 / 120)
    (why,) = words(both, class_recall_loss=0.05)
    assert "(lowest: 'cancel', 120 texts)" in why
