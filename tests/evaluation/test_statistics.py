"""The interval of a speed-up: against other implementations, by hand, and by how often it misses the truth."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from pipeline.evaluation.latency.pairs import MIN_PAIRS_FOR_PRECISION, reason_to_stop
from pipeline.evaluation.latency.samples import (
    MIN_WAITING_SHARE,
    Block,
    Pair,
    Samples,
    percentile_ms,
    percentile_speedup,
    speedup,
)
from pipeline.evaluation.statistics import EQUIVALENT, FASTER, INCONCLUSIVE, SLOWER, Interval, ratio_interval, verdict

Noise = Callable[[np.random.Generator], float]


@pytest.mark.parametrize("count", [2, 3, 6, 20, 51])
def test_it_is_students_interval_of_the_mean(count: int) -> None:
    values = np.random.default_rng(count).normal(0.4, 0.05, count)
    found = ratio_interval(values)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert np.log([found.value, found.low, found.high]) == pytest.approx([values.mean(), *expected], abs=1e-10)


PINNED = [
    ([0.1, 0.2], (1.1618342427, 0.6155062145, 2.1930872116)),
    ([0.1, 0.2, 0.3], (1.2214027582, 0.9527394894, 1.5658264555)),
    ([0.69, 0.70, 0.68, 0.71, 0.70, 0.70], (2.0070513735, 1.9854153607, 2.0289231643)),
]


@pytest.mark.parametrize(("values", "expected"), PINNED)
def test_the_numbers_stay_what_they_were(values: list[float], expected: tuple[float, float, float]) -> None:
    found = ratio_interval(np.array(values))
    assert (found.value, found.low, found.high) == pytest.approx(expected, rel=1e-9)


def test_one_pair_has_a_value_and_no_bounds() -> None:
    found = ratio_interval(np.array([0.5]))
    assert found.value == pytest.approx(np.exp(0.5)) and (found.low, found.high) == (0, np.inf)
    assert found.width == np.inf and not found.excludes_1 and verdict(found, 0.02) == INCONCLUSIVE


@pytest.mark.parametrize(
    ("low", "high", "margin", "expected"),
    [
        (1.03, 1.05, 0.02, FASTER),
        (1.001, 1.05, 0.02, FASTER),  # perhaps by less than the margin, but faster
        (0.95, 0.97, 0.02, SLOWER),
        (0.95, 0.999, 0.02, SLOWER),
        (0.99, 1.01, 0.02, EQUIVALENT),
        (1.005, 1.015, 0.02, EQUIVALENT),  # surely faster, by nothing that matters
        (0.985, 0.995, 0.02, EQUIVALENT),
        (1 / 1.02, 1.02, 0.02, EQUIVALENT),  # the margin itself is inside
        (1 / 1.02, 1.021, 0.02, INCONCLUSIVE),
        (0.98, 1.02, 0.02, INCONCLUSIVE),
        (0.5, 2.0, 0.02, INCONCLUSIVE),
        (1.0, 1.05, 0.02, INCONCLUSIVE),  # 1 is a bound: not excluded
        (0.95, 1.0, 0.02, INCONCLUSIVE),
        (1.005, 1.015, 0.0, FASTER),
        (1.0, 1.0, 0.0, EQUIVALENT),
    ],
)
def test_the_verdict_follows_from_where_the_interval_lies(low: float, high: float, margin: float, expected: str) -> None:
    assert verdict(Interval((low + high) / 2, low, high), margin) == expected
    if expected in (FASTER, SLOWER):  # seen from the other side
        other = {FASTER: SLOWER, SLOWER: FASTER}[expected]
        assert verdict(Interval(2 / (low + high), 1 / high, 1 / low), margin) == other


def samples(*ms: float) -> Samples:
    return Samples(np.array(ms), np.zeros(len(ms)), np.ones(len(ms), dtype=np.int64), ())


def test_a_pairs_ratios_are_those_that_are_computed_by_hand() -> None:
    pair = Pair(candidate=samples(1, 2, 4), baseline=samples(2, 8, 12), candidate_first=True, elapsed_s=1)
    assert pair.log_ratio == pytest.approx(np.log(22 / 7))  # of the means
    assert pair.percentile_log_ratio(95) == pytest.approx(np.log(11.6 / 3.8))  # each one's own percentile
    pairs = [pair, Pair(pair.baseline, pair.candidate, False, 2)]
    assert speedup(pairs).value == pytest.approx(1) and percentile_speedup(pairs, 95).value == pytest.approx(1)


def test_a_median_that_flatters_does_not_rank() -> None:
    cheap, better = [1.0] * 62, [100.0] * 38  # a cascade: a few of the texts take nearly all of the time
    pairs = [Pair(samples(*cheap, *better), samples(*[50.0] * 100), first, 1) for first in (True, False, True)]
    assert speedup(pairs).value == pytest.approx(50 / 38.62) and percentile_speedup(pairs, 50).value == pytest.approx(50)


def test_a_higher_percentile_is_never_below_a_lower_one_and_their_ratio_is_the_speedup_of_that_percentile() -> None:
    rng = np.random.default_rng(3)
    slow = [samples(*rng.lognormal(level, 1, 40)) for level in (0, 0.1, 3)]  # one process is far slower than the others
    fast = [samples(*rng.lognormal(level, 1, 40)) for level in (-1, -2, -1)]
    for processes in (slow, fast):
        values = [percentile_ms(processes, percentile).value for percentile in (50, 90, 95, 99)]
        assert values == sorted(values)
    pairs = [Pair(mine, theirs, True, 1) for mine, theirs in zip(fast, slow, strict=True)]
    for percentile in (50, 95):
        ratio = percentile_ms(slow, percentile).value / percentile_ms(fast, percentile).value
        assert percentile_speedup(pairs, percentile).value == pytest.approx(ratio)


@pytest.mark.parametrize(
    ("wall_ms", "cpu_ms", "switches", "expected"),
    [
        (10, 10, 0, False),
        (10, 10, 3, False),  # given away for a moment only
        (10, 6, 3, True),
        (10, 6, 0, False),  # it waited by itself
        (10, 6, None, False),  # not told
        (10, 40, 5, False),  # several threads
        (100, 100 * (1 - MIN_WAITING_SHARE), 1, False),
        (100, 100 * (1 - MIN_WAITING_SHARE) - 0.1, 1, True),
    ],
)
def test_a_block_is_marked_where_others_had_the_core(
    wall_ms: float, cpu_ms: float, switches: int | None, expected: bool
) -> None:
    assert Block(25, wall_ms, cpu_ms, switches).descheduled is expected


def session(rng: np.random.Generator, noise: Noise, truth: float, order_effect: float) -> list[Pair]:
    """Pairs until the program's own rule stops; each takes 1.6 s of 20."""
    pairs: list[Pair] = []
    while True:
        first = len(pairs) % 2 == 0
        log_ratio = np.log(truth) + (-order_effect if first else order_effect) + noise(rng)
        pairs.append(Pair(samples(float(np.exp(-log_ratio))), samples(1.0), first, 1.6 * (len(pairs) + 1)))
        if reason_to_stop(pairs, precision=0.03, max_seconds=20):
            return pairs


NOISES: dict[str, Noise] = {
    "normal, 0.85 %": lambda rng: 0.0085 * rng.normal(),
    "normal, 2 %": lambda rng: 0.02 * rng.normal(),  # the time decides about as often as the precision
    "t with 3 degrees of freedom, 0.85 %": lambda rng: 0.0085 * rng.standard_t(3) / np.sqrt(3),
}


@pytest.mark.parametrize("noise", NOISES)
def test_the_interval_misses_the_truth_in_about_5_of_100_sessions_as_the_program_stops_them(noise: str) -> None:
    rng, truth = np.random.default_rng(7), 1.3
    sessions = [session(rng, NOISES[noise], truth, order_effect=0.001) for _ in range(800)]
    found = [speedup(pairs) for pairs in sessions]
    missed = np.mean([not interval.low <= truth <= interval.high for interval in found])
    assert 0.03 <= missed <= 0.07
    assert min(len(pairs) for pairs in sessions) == MIN_PAIRS_FOR_PRECISION
    assert abs(np.mean([np.log(interval.value / truth) for interval in found])) < 0.001  # and is not drawn to one side
