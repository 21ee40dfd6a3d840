"""Intervals over several seeds: by hand, and by simulation that they cover."""

import numpy as np
import pytest

from pipeline.evaluation.quality.intervals import tango, wilson
from pipeline.evaluation.quality.seeds import change_over_seeds, mean_over_seeds, ratio_over_seeds, share_over_seeds
from pipeline.evaluation.statistics import ratio_interval
from pipeline.selection.simulation import seeds as simulation


def test_the_variance_is_that_of_a_two_way_layout() -> None:
    values = np.array([[1.0, 2.0, 4.0], [2.0, 3.0, 8.0]])
    found = mean_over_seeds(values)
    of_seeds, of_texts, mean = values.mean(axis=1), values.mean(axis=0), values.mean()
    rest = values - of_seeds[:, None] - of_texts + mean
    squares = 3 * of_seeds.var(ddof=1), 2 * of_texts.var(ddof=1), (rest**2).sum() / 2
    variance = (squares[0] + squares[1] - squares[2]) / 6
    free = variance**2 / sum((square / 6) ** 2 / df for square, df in zip(squares, (1, 2, 2), strict=True))
    from scipy.stats import t

    half = t.ppf(0.975, free) * np.sqrt(variance)
    assert (found.value, found.low, found.high) == pytest.approx((mean, mean - half, mean + half))


def test_without_any_difference_nothing_is_certain() -> None:
    same = np.ones((3, 200), dtype=bool)
    change, share = change_over_seeds(same, same), share_over_seeds(same)
    assert (change.low, change.high) == (tango(0, 0, 600).low, tango(0, 0, 600).high) and change.low < -0.005
    assert share.low == wilson(600, 600).low < 1 == share.high


def test_texts_on_which_all_seeds_agree_count_once() -> None:
    rng = np.random.default_rng(0)
    before, after = (np.tile(rng.random(600) < share, (3, 1)) for share in (0.9, 0.93))
    found, one = change_over_seeds(before, after), change_over_seeds(before[:2], after[:2])
    assert found.high - found.low == pytest.approx(one.high - one.low, rel=0.01), "a copy of a seed tells nothing new"


@pytest.mark.parametrize(("between", "agreed"), [(0.0, 1.0), (0.003, 0.5)])
def test_the_interval_of_a_change_covers_the_truth(between: float, agreed: float) -> None:
    """Today's way, which adds the two uncertainties as squares, covers 99 % or more where seeds disagree."""
    rng = np.random.default_rng(0)
    found = [change_over_seeds(*simulation.answers(rng, 3, 600, between, agreed)) for _ in range(400)]
    assert 0.92 <= np.mean([one.low <= simulation.CHANGE <= one.high for one in found]) <= 0.98


def test_the_interval_of_a_speedup_counts_the_noise_of_pairs_once() -> None:
    rng = np.random.default_rng(0)
    drawn = [simulation.ratios(rng, 3, 0.02, 0.01) for _ in range(1000)]
    found = [ratio_over_seeds(ratios) for ratios in drawn]
    assert 0.93 <= np.mean([one.low <= 1 <= one.high for one in found]) <= 0.97
    means = np.array([ratios.mean() for ratios in drawn[0]])
    assert found[0].value == pytest.approx(ratio_interval(means).value)
    alike = ratio_over_seeds([np.array([0.1, -0.1]), np.array([0.1, -0.1])])
    assert alike.low < 0.9 and alike.high > 1.1, "seeds that agree by chance are no surer than their pairs"
    assert ratio_over_seeds([np.array([0.1]), np.array([0.2])]) == ratio_interval(np.array([0.1, 0.2]))
