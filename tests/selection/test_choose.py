"""Which of several candidates is preferred: ties by their own comparison, unknown intervals, the Pareto front."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.evaluation.evidence import from_calls
from pipeline.selection.candidate import Candidate
from pipeline.selection.choose import choose, front
from pipeline.selection.paired import accuracy_difference, speed_ratio
from tests.support.candidates import ALL, BASELINE, FAST, SMALL, answered, row, timed, without


def test_the_front_are_those_that_no_other_beats_in_all_three() -> None:
    beaten = Candidate((row("beaten", mb=17.0, speedup=7.0, loss_pp=-0.6),))
    assert [each.name for each in front([*ALL, beaten])] == ["bert", "small", "fast"]


def test_the_preferred_metric_decides_where_it_can_be_told_apart() -> None:
    assert choose(ALL, "latency")[0] is FAST and choose(ALL, "size")[0] is SMALL and choose(ALL, "accuracy")[0] is BASELINE


def test_an_unknown_interval_never_ties_for_best_and_does_not_help() -> None:
    fast = Candidate((row("fast", speedup=100.0, width=0.04, mb=17.3),), (timed(98, 100, 102),))
    unknown = Candidate((without("unknown", "delta/speedup", speedup=2.0, mb=17.2),), (timed(2.0),))
    assert choose([fast, unknown], "latency")[0] is fast
    wide = Candidate((row("wide", speedup=90.0, width=4.0, mb=17.2),), (timed(80, 101),))
    chosen, reasons = choose([fast, wide], "latency")
    assert chosen is fast and reasons[0].startswith(
        "fast has the best point estimate in latency (these weights); against wide, the next, it may"
    )
    close = Candidate((without("close", "delta/speedup", speedup=102.0, mb=1.0),), (timed(102.0),))
    chosen, reasons = choose([fast, close], "latency")
    assert chosen is fast and reasons == [
        "fast is preferred in latency (these weights): the point estimate of close is better, but it has no interval"
    ]


def test_an_unknown_or_very_wide_interval_does_not_win_by_its_point_estimate() -> None:
    fast = Candidate((row("fast", speedup=100.0),), (timed(99, 100, 101),))
    for speedup in (104.0, 120.0):
        far = Candidate((without("far", "delta/speedup", speedup=speedup, mb=1.0),), (timed(speedup),))
        chosen, reasons = choose([fast, far], "latency")
        assert chosen is fast and reasons == [
            "fast is preferred in latency (these weights): the point estimate of far is better, but it has no interval"
        ]
    metrics = row("wide").metrics | {"delta/speedup": 103.5, "delta/speedup_low": 0.64, "delta/speedup_high": 16681.0}
    wide = Candidate((replace(row("wide"), metrics=metrics),), (timed(69.4, 154.4),))
    chosen, reasons = choose([wide, fast], "latency")
    assert chosen is fast and reasons[0].endswith("the point estimate of wide is better, but its interval is very wide")
    sure = Candidate((row("sure", speedup=400.0, width=1.0),), (timed(300, 400, 500, 410, 390),))
    assert choose([sure, fast], "latency")[0] is sure, "its own comparison shows that it is faster"
    assert choose([wide], "latency")[0] is wide and choose([far, wide], "latency")[0] is far, "none is known"


def test_what_is_close_and_can_not_be_told_apart_is_tied_and_the_next_preference_decides() -> None:
    fast = Candidate((row("fast", mb=40.0, speedup=12.0),), (timed(11.8, 12.0, 12.2),))
    near = Candidate((row("near", mb=12.0, speedup=12.1, width=0.04),), (timed(11.9, 12.1, 12.3),))
    chosen, told = choose([fast, near, SMALL], "latency")
    assert chosen is near
    assert told == [
        "in latency, fast, near are within 3 % of the best, and compared with each other they can't be told apart "
        "(these weights)",
        "near is the best in size of these",
    ]
    sure = replace(fast, evidence=(timed(11.999, 12.0, 12.001),)), replace(near, evidence=(timed(12.099, 12.1, 12.101),))
    assert choose(sure, "latency")[1] == [
        "near is the best in latency (these weights); against fast, the next: 1.01x [1.01, 1.01]"
    ]
    twins = [Candidate((row(name),), (timed(3.9, 4.1),)) for name in ("b", "a")]
    for twin in twins:
        twin.rows[0].metrics["validation/delta_accuracy_pp"] = 0.0
    twins = [replace(twin, evidence=(replace(twin.evidence[0], texts=("x",), right=np.array([True])),)) for twin in twins]
    assert choose(twins, "latency")[0].name == "a" and "first by name" in choose(twins, "latency")[1][-1]


def test_two_are_compared_by_their_own_flips_and_pairs() -> None:
    rng = np.random.default_rng(0)
    right = rng.random(5500) < 0.93
    other = right & (rng.random(5500) > 0.011)  # what it loses is lost by no other
    one, two = (Candidate((row(name),), (answered(flags),)) for name, flags in (("one", right), ("two", other)))
    found = accuracy_difference(one, two)
    assert found is not None and found.value == pytest.approx(100 * (right.mean() - other.mean())) and found.low > 0.5
    assert accuracy_difference(one, SMALL) is None and speed_ratio(one, two) is None
    fast, slow = Candidate((row("x"),), (timed(4, 4.1, 3.9),)), Candidate((row("y"),), (timed(2, 2.1, 1.9, 2.0),))
    ratio = speed_ratio(fast, slow)
    assert ratio is not None and ratio.value == pytest.approx(2, rel=0.01) and 1.85 < ratio.low < ratio.high < 2.15
    against = speed_ratio(fast, BASELINE)
    assert against is not None and against.value == pytest.approx(4, rel=0.01) and against.low > 3.7


def test_over_seeds_those_count_that_both_have() -> None:
    rng = np.random.default_rng(1)
    rows = [replace(row("x"), seed=seed) for seed in (1, 2, 3)]
    rights = [rng.random(1000) < 0.9 for _ in rows]
    one = Candidate(tuple(rows), tuple(map(answered, rights)))
    worse = Candidate(tuple(rows[:2]), tuple(answered(right & (rng.random(1000) > 0.03)) for right in rights[:2]))
    found = accuracy_difference(one, worse)
    expected = np.mean([a.right.mean() - b.right.mean() for a, b in zip(one.evidence, worse.evidence, strict=False)])  # type: ignore[union-attr]
    assert found is not None and found.value == pytest.approx(100 * expected) and found.low < found.value < found.high
    same = accuracy_difference(one, one)
    assert same is not None and same.value == 0 and same.low < 0 < same.high < 0.3
    speeds = replace(one, evidence=tuple(timed(value, value) for value in (4.0, 4.4, 3.6)))
    ratio = speed_ratio(speeds, BASELINE)
    assert ratio is not None and ratio.low < 3.6 and ratio.high > 4.4, "each seed is one value"


def test_the_calls_of_a_run_give_its_pairs() -> None:
    who = np.array(["candidate", "baseline", "candidate", "baseline", "baseline", "candidate"])
    found = from_calls(who, np.array([0, 0, 0, 0, 1, 1]), np.array([1.0, 4.0, 3.0, 8.0, 5.0, 1.0]))
    assert np.exp(found.log_ratios).tolist() == pytest.approx([3.0, 5.0])
    assert np.exp(found.p95_log_ratios).tolist() == pytest.approx([7.8 / 2.9, 5.0])
    assert [ms.tolist() for ms in found.baseline_ms] == [[4.0, 8.0], [5.0]]
