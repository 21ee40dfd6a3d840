"""Rows: their order, their ratios as text, and what becomes of several seeds."""

from dataclasses import replace

import pytest

from pipeline.evaluation.rows import Row, averaged, order
from pipeline.evaluation.statistics import Interval


def ratio(value: float, low: float | None = None, high: float | None = None, is_baseline: bool = False) -> Row:
    bounds = {"delta/speedup_low": low, "delta/speedup_high": high}
    metrics = {"delta/speedup": value} | {key: bound for key, bound in bounds.items() if bound is not None}
    return Row("fast", metrics, is_baseline=is_baseline)


def test_rows_stand_in_order_baseline_first_then_from_slow_to_fast() -> None:
    speeds = {"int8": 1.0, "student": 2.0, "bert": 1.5, "onnx": 1.0}
    rows = [
        Row(name, {"latency/mean_ms": ms, "latency/p50_ms": 3 - ms}, is_baseline=name == "bert")
        for name, ms in speeds.items()
    ]
    assert [row.optim for row in order(rows)] == ["bert", "student", "int8", "onnx"]


def test_rows_stand_by_the_speed_up_not_by_milliseconds_of_different_minutes() -> None:
    slow_minute = Row("fast", {"latency/mean_ms": 2.0, "delta/speedup": 4.0})
    quick_minute = Row("slow", {"latency/mean_ms": 1.5, "delta/speedup": 3.0})
    alone = Row("alone", {"latency/mean_ms": 2.0})  # its speed-up is unknown: 3.5 by the baseline's milliseconds
    baseline = Row("bert", {"latency/mean_ms": 7.0}, is_baseline=True)
    rows = order([slow_minute, alone, baseline, quick_minute])
    assert [row.optim for row in rows] == ["bert", "slow", "alone", "fast"]


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (ratio(2.0512, 2.0098, 2.0934), "2.05x [2.01, 2.09]"),
        (ratio(10.4712, 10.312, 10.621), "10.47x [10.31, 10.62]"),
        (ratio(0.99949, 0.9982, 1.0008), "0.999x [0.998, 1.001]"),  # two decimals would be [1.00, 1.00]
        (ratio(1.0123, 1.0042, 1.0205), "1.012x [1.004, 1.020]"),  # two would be [1.00, 1.02], as if 1 were within
        (ratio(1.0123, 0.9992, 1.0255), "1.01x [1.00, 1.03]"),
        (ratio(2.0, 2.0, 2.0), "2.0000x [2.0000, 2.0000]"),
    ],
)
def test_a_ratio_has_as_many_decimals_as_show_its_intervals_width_and_that_it_excludes_1(row: Row, text: str) -> None:
    assert row.ratio() == text


@pytest.mark.parametrize("row", [ratio(2.0), ratio(2.0, 2.0, 2.0, True)])
def test_without_finite_bounds_and_for_the_baseline_there_is_no_interval(row: Row) -> None:
    assert row.ratio() == "2.00x" and row.interval() is None


def test_an_interval_is_read_by_the_ratios_name() -> None:
    metrics = {"delta/speedup_p95": 2.0, "delta/speedup_p95_low": 1.5, "delta/speedup_p95_high": 2.5}
    assert Row("fast", metrics).interval("delta/speedup_p95") == Interval(2.0, 1.5, 2.5)
    assert (Row("fast", metrics).interval(), Row("fast", metrics).ratio()) == (None, "-")


def test_a_mean_over_seeds_has_a_standard_deviation_but_neither_bounds_nor_a_verdict() -> None:
    runs = [replace(ratio(2.0, 1.9, 2.1), seed=0, verdict="faster"), replace(ratio(3.0, 2.9, 3.1), seed=1, verdict="faster")]
    (mean,) = averaged(runs)
    assert mean.metrics == {"delta/speedup": 2.5} and mean.verdict == mean.contended == ""
    assert mean.interval() is None and mean.ratio() == "2.50x ±0.71" and mean.name == "fast (2 seeds)"


def test_a_mean_says_how_many_of_its_runs_were_measured_on_a_busy_machine_and_why() -> None:
    runs = [
        replace(ratio(2.0), seed=seed, contended=why) for seed, why in enumerate(["", "others ran", "others ran", "stolen"])
    ]
    (mean,) = averaged(runs)
    assert mean.contended == "in 3 of 4 runs: others ran; stolen"
