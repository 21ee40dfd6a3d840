"""Flips, by hand; calibration, by hand."""

import numpy as np
import pytest

from pipeline.evaluation.quality import flips
from pipeline.evaluation.quality.calibration import binned, ece_by_chance

LABELS = ["food", "music", "rain|snow"]
TEXTS = ["soup", "a song", "is it | raining", "no", "tea", "so\nmuch"]
TRUTH = np.array([0, 1, 2, 2, 0, 1])
BEFORE = np.array([0, 1, 2, 0, 1, 0])
AFTER = np.array([0, 0, 1, 2, 1, 2])


def test_what_was_lost_comes_first_then_what_was_gained_then_what_is_wrong_in_another_way() -> None:
    found = flips.find(TEXTS, TRUTH, BEFORE, AFTER, LABELS)
    assert [(flip.kind, flip.text) for flip in found.flips] == [
        ("lost", "a song"), ("lost", "is it | raining"), ("gained", "no"), ("changed", "so\nmuch"),
    ]  # fmt: skip
    lost = found.flips[0]
    assert (lost.label, lost.baseline, lost.candidate) == ("music", "music", "food")
    hurt = [(each.label, each.queries, each.lost, each.gained, each.change_pp) for each in found.classes]
    assert hurt == [("music", 2, 1, 0, -50.0), ("rain|snow", 2, 1, 1, 0.0)]


def test_the_page_has_the_classes_that_were_hurt_and_the_queries_in_cells_that_hold() -> None:
    page = flips.markdown(flips.find(TEXTS, TRUTH, BEFORE, AFTER, LABELS), "int8", "bert")
    assert (
        "Both (these weights) give the same answer to 2 of 6 queries (33.3%)" in page
        and "2 were right and are wrong now" in page
    )
    assert "| music | 2 | 1 | 0 | -50.0 |" in page and "rain\\|snow | 2" not in page
    assert "| is it \\| raining | rain\\|snow | music |" in page


def test_where_nothing_flips_the_page_says_so() -> None:
    page = flips.markdown(flips.find(TEXTS, TRUTH, BEFORE, BEFORE, LABELS), "same", "bert")
    assert "to 6 of 6 queries (100.0%)" in page and "##" not in page


def test_the_calibration_error_is_the_distance_of_score_and_share_that_is_right() -> None:
    scores = np.array([0.9, 0.9, 0.9, 0.9, 0.5, 0.5, 1.0])
    right = np.array([True, True, True, False, False, True, True])
    bins = binned(scores, right)
    assert bins.count.tolist() == [2, 4, 1] and bins.right.tolist() == [0.5, 0.75, 1.0]
    assert bins.ece == pytest.approx((4 * 0.15 + 2 * 0 + 1 * 0) / 7)


def test_perfect_scores_show_the_error_that_is_called_chance() -> None:
    """2.4 % with 600 texts, and less with more."""
    rng, found = np.random.default_rng(0), dict[int, tuple[float, float]]()
    for n in (600, 5500):
        drawn = [1 - 0.9 * rng.beta(0.6, 3, size=n) for _ in range(20)]
        errors = [binned(scores, rng.random(n) < scores).ece for scores in drawn]
        found[n] = float(np.mean(errors)), float(np.mean([ece_by_chance(scores) for scores in drawn[:3]]))
    assert found[600][1] == pytest.approx(found[600][0], rel=0.15) and found[600][1] > 0.015
    assert found[5500][1] == pytest.approx(found[5500][0], rel=0.15) and found[5500][1] < 0.5 * found[600][1]
