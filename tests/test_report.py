"""Figures against a second computation, written out by hand, and against pinned numbers."""

import statistics

import numpy as np
import pytest

from pipeline.measure.quality import quality_of
from pipeline.report import Baseline, Latency, Predictions, Report, Row, Size, order


def by_hand(predicted: list[int], truth: list[int], oos: int | None) -> dict[str, float]:
    """Quality as one would count it on paper."""
    pairs = list(zip(predicted, truth, strict=True))

    def share(chosen: list[tuple[int, int]]) -> float | None:
        return sum(p == t for p, t in chosen) / len(chosen) if chosen else None

    f1 = []
    for label in {*predicted, *truth}:
        right = pairs.count((label, label))
        wrong = sum((p == label) != (t == label) for p, t in pairs)
        f1.append(2 * right / (2 * right + wrong))
    result = {"accuracy": share(pairs), "f1_macro": sum(f1) / len(f1)}
    if oos is not None:
        result["in_scope_accuracy"] = share([(p, t) for p, t in pairs if t != oos])
        result["oos_recall"] = share([(p, t) for p, t in pairs if t == oos])
        result["oos_precision"] = share([(p, t) for p, t in pairs if p == oos])
    return {name: value for name, value in result.items() if value is not None}


@pytest.mark.parametrize("oos", [None, 0, 3])
@pytest.mark.parametrize("seed", range(4))
def test_quality_agrees_with_a_count_by_hand(seed: int, oos: int | None) -> None:
    rng = np.random.default_rng(seed)
    truth, predicted = rng.integers(0, 5, 200), rng.integers(0, 5, 200)
    predicted[:80] = truth[:80]
    expected = by_hand(predicted.tolist(), truth.tolist(), oos)
    assert quality_of(predicted, truth, oos) == pytest.approx(expected)


@pytest.mark.parametrize(("oos", "where"), [(2, "predicted"), (2, "truth"), (2, "both")])
def test_a_figure_that_no_text_counts_for_is_left_out(oos: int, where: str) -> None:
    predicted, truth = np.array([0, 1, 2, 0, 2]), np.array([0, 2, 1, 1, 2])
    if where in ("predicted", "both"):
        predicted[predicted == oos] = 0
    if where in ("truth", "both"):
        truth[truth == oos] = 0
    quality = quality_of(predicted, truth, oos)
    assert quality == pytest.approx(by_hand(predicted.tolist(), truth.tolist(), oos))
    assert ("oos_precision" in quality) == (where == "truth") and ("oos_recall" in quality) == (where == "predicted")


def test_quality_of_a_small_example_has_the_pinned_numbers() -> None:
    predicted, truth = np.array([0, 1, 1, 1, 2, 0]), np.array([0, 0, 1, 1, 2, 2])
    plain = {"accuracy": 4 / 6, "f1_macro": (1 / 2 + 4 / 5 + 2 / 3) / 3}
    assert quality_of(predicted, truth, None) == pytest.approx(plain)
    scoped = {"in_scope_accuracy": 3 / 4, "oos_recall": 1 / 2, "oos_precision": 1.0}
    assert quality_of(predicted, truth, 2) == pytest.approx(plain | scoped)


def report(samples: np.ndarray, baseline: Baseline | None = None) -> Report:
    latency = Latency(samples, load_ms=900.0, first_call_ms=30.0, texts_per_s=250.0, peak_mb=300.0)
    one = np.zeros(1, dtype=np.int64)
    predictions = Predictions(["text"], one, one, np.ones(1), ["label"])
    return Report("fast", {"accuracy": 0.9}, Size(3 * 2**20, 2 * 2**20), latency, predictions, baseline)


def test_latency_is_summed_up_over_all_calls() -> None:
    values = np.random.default_rng(0).permutation(np.arange(1.0, 101.0))
    metrics = report(values.reshape(4, 25)).metrics()
    assert metrics["latency/mean_ms"] == pytest.approx(50.5)
    assert metrics["latency/std_ms"] == pytest.approx(statistics.stdev(values.tolist()))
    percentiles = [metrics[f"latency/p{p}_ms"] for p in (50, 90, 95, 99)]
    assert percentiles == pytest.approx([50.5, 90.1, 95.05, 99.01])
    assert metrics["latency/first_call_ms"] == 30 and metrics["load/ms"] == 900
    assert metrics["throughput/texts_per_s"] == 250 and metrics["memory/peak_mb"] == 300
    assert metrics["size/mb"] == 3 and metrics["size/weights_mb"] == 2


def test_a_single_call_has_no_spread() -> None:
    assert report(np.array([[2.0]])).metrics()["latency/std_ms"] == 0


def test_the_speedup_is_the_median_of_the_ratios_of_pairs_not_the_ratio_of_medians() -> None:
    ours, theirs = np.array([[1.0, 2.0, 10.0]]), np.array([[4.0, 20.0, 30.0]])
    metrics = report(ours, Baseline(theirs, Size(12 * 2**20, 0), accuracy=0.92)).metrics()
    assert metrics["delta/speedup"] == pytest.approx(4)  # of 4, 10 and 3; 20 / 2 would be 10
    assert metrics["delta/size_ratio"] == pytest.approx(4)
    assert metrics["delta/accuracy_pp"] == pytest.approx(-2)


def test_the_baseline_equals_itself() -> None:
    metrics = report(np.array([[1.0, 2.0]])).metrics()
    assert (metrics["delta/speedup"], metrics["delta/size_ratio"], metrics["delta/accuracy_pp"]) == (1, 1, 0)


def test_rows_stand_in_order_baseline_first_then_from_slow_to_fast() -> None:
    speeds = {"int8": 1.0, "student": 2.0, "bert": 1.5, "onnx": 1.0}
    rows = [Row(name, {"latency/p50_ms": ms}, is_baseline=name == "bert") for name, ms in speeds.items()]
    assert [row.optim for row in order(rows)] == ["bert", "student", "int8", "onnx"]
