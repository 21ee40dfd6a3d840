"""Metrics against a second computation, written out by hand, and against pinned numbers."""

import math
import statistics
from dataclasses import replace

import numpy as np
import pytest

from pipeline.evaluation.latency.samples import Block, Pair, Samples
from pipeline.evaluation.metrics import METRICS, validation_key
from pipeline.evaluation.quality.paired import PairedQuality
from pipeline.evaluation.report import SPEEDUPS, Comparison, Judged, Latency, Predictions, Report, Size
from pipeline.evaluation.statistics import Interval
from pipeline.system.machine import Conditions
from pipeline.tasks.scores import quality_of

QUIET = Conditions(0.2, 0.0, 0.1, None, 10.0, 0.001)


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
    recalls = [sum(p == t == label for p, t in pairs) / truth.count(label) for label in {*truth}]
    balanced = sum(recalls) / len(recalls)
    result = {"accuracy": share(pairs), "f1_macro": sum(f1) / len(f1), "balanced_accuracy": balanced}
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
def test_a_metric_that_no_text_counts_for_is_left_out(oos: int, where: str) -> None:
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
    plain = {"accuracy": 4 / 6, "f1_macro": (1 / 2 + 4 / 5 + 2 / 3) / 3, "balanced_accuracy": (1 / 2 + 1 + 1 / 2) / 3}
    assert quality_of(predicted, truth, None) == pytest.approx(plain)
    scoped = {"in_scope_accuracy": 3 / 4, "oos_recall": 1 / 2, "oos_precision": 1.0}
    assert quality_of(predicted, truth, 2) == pytest.approx(plain | scoped)


def samples(ms: list[float], switches: int = 0, cpu_share: float = 1.0) -> Samples:
    """One process with these calls, in one block."""
    block = Block(len(ms), 100.0, 100.0 * cpu_share, switches)
    return Samples(np.array(ms), np.zeros(len(ms)), np.ones(len(ms), np.int64), (block,))


def pair(candidate: list[float], baseline: list[float], candidate_first: bool = True) -> Pair:
    return Pair(samples(candidate), samples(baseline), candidate_first, 1.0)


def against(*pairs: Pair) -> Comparison:
    return Comparison(pairs, "max_seconds: 60 s are spent", 0.02, Size(12 * 2**20, 0))


def judged(compared: bool) -> Judged:
    change = PairedQuality({"accuracy": Interval(-0.02, -0.03, 0.01)}, {"accuracy": (1, 3)}, agreement=0.9, changed=4)
    alone = Judged(predictions(), {"accuracy": 0.9, "ece": 0.1, "ece_by_chance": 0.02})
    return replace(alone, baseline=predictions(), change=change) if compared else alone


def predictions() -> Predictions:
    one = np.zeros(1, dtype=np.int64)
    return Predictions(["text"], one, one, np.ones(1), ["label"], None, np.zeros(1, dtype=bool))


def report(processes: list[Samples], comparison: Comparison | None = None, conditions: Conditions = QUIET) -> Report:
    latency = Latency(
        tuple(processes), load_ms=900.0, first_call_ms=30.0, texts_per_s=250.0, memory={"memory/peak_mb": 300.0}
    )
    size = Size(3 * 2**20, 2 * 2**20)
    test, validation = (judged(comparison is not None) for _ in range(2))
    return Report("fast", test, validation, size, latency, conditions, comparison)


def test_latency_is_summed_up_over_all_calls() -> None:
    values = np.random.default_rng(0).permutation(np.arange(1.0, 101.0))
    metrics = report([samples(values.tolist())]).metrics()
    assert metrics["latency/mean_ms"] == pytest.approx(50.5)
    assert metrics["latency/std_ms"] == pytest.approx(statistics.stdev(values.tolist()))
    percentiles = [metrics[f"latency/p{p}_ms"] for p in (50, 90, 99)]
    assert percentiles == pytest.approx([50.5, 90.1, 99.01])
    assert metrics["throughput/texts_per_s"] == 250 and metrics["memory/peak_mb"] == 300
    assert metrics["size/mb"] == 3 and metrics["size/weights_mb"] == 2


def test_a_single_call_has_no_standard_deviation() -> None:
    assert report([samples([2.0])]).metrics()["latency/std_ms"] == 0


def test_within_a_pair_the_speedup_is_the_ratio_of_mean_times_and_that_of_medians_stands_beside() -> None:
    one = pair([1.0, 2.0, 10.0], [4.0, 20.0, 30.0])
    metrics = report([one.candidate], against(one)).metrics()
    assert metrics["delta/speedup"] == pytest.approx(54 / 13) and metrics["delta/speedup_p50"] == pytest.approx(20 / 2)
    assert metrics["delta/speedup_p95"] == pytest.approx(29 / 9.2)
    assert metrics["delta/size_ratio"] == pytest.approx(4)
    bounds = [metrics[f"delta/accuracy_pp{bound}"] for bound in ("", "_low", "_high")]
    assert bounds == pytest.approx([-2, -3, 1]) and metrics["delta/accuracy_mcnemar_p"] == pytest.approx(10 / 16)
    assert metrics["delta/pairs"] == 1
    assert "delta/speedup_low" not in metrics and "delta/speedup_p95_high" not in metrics  # one pair has no interval
    assert report([one.candidate], against(one)).verdict == ""


def test_over_pairs_the_speedup_is_their_geometric_mean_within_its_bounds() -> None:
    ratios = (2.0, 2.2, 1.9)
    pairs = [pair([1.0, 1.0], [ratio, ratio], number % 2 == 0) for number, ratio in enumerate(ratios)]
    compared = report([one.candidate for one in pairs], against(*pairs))
    metrics, logs = compared.metrics(), [math.log(ratio) for ratio in ratios]
    half = 4.302653 * statistics.stdev(logs) / math.sqrt(3)  # Student's t, 97.5 %, two degrees of freedom
    for key in ("delta/speedup", "delta/speedup_p50", "delta/speedup_p95"):
        assert metrics[key] == pytest.approx(statistics.geometric_mean(ratios))
        assert math.log(metrics[f"{key}_low"]) == pytest.approx(statistics.mean(logs) - half)
        assert math.log(metrics[f"{key}_high"]) == pytest.approx(statistics.mean(logs) + half)
    assert compared.tags() == {"verdict": "faster", "stopped": "max_seconds: 60 s are spent"}


def test_p95_lies_within_its_bounds_which_come_of_the_processes() -> None:
    metrics = report([samples([float(ms)] * 20) for ms in (1, 1, 1, 9)]).metrics()
    assert metrics["latency/p95_ms"] == pytest.approx(9**0.25)  # the percentile of all calls together would be 9
    assert metrics["latency/p95_ms_low"] < metrics["latency/p95_ms"] < metrics["latency/p95_ms_high"]
    assert metrics["latency/p50_ms"] == metrics["latency/p90_ms"] == metrics["latency/p95_ms"] == metrics["latency/p99_ms"]


def test_the_baseline_equals_itself_and_has_no_verdict() -> None:
    itself = report([samples([1.0, 2.0])])
    metrics = itself.metrics()
    assert {metrics[key] for key in SPEEDUPS} == {1} and len(SPEEDUPS) == 9
    assert (metrics["delta/size_ratio"], metrics["delta/accuracy_pp"], itself.tags()) == (1, 0, {})
    assert metrics["validation/delta_accuracy_pp"] == 0


def test_the_validation_split_is_judged_by_the_same_metrics_under_names_of_its_own() -> None:
    one = pair([1.0], [2.0])
    metrics = report([one.candidate], against(one)).metrics()
    rates = [key for key in metrics if key.startswith(("quality/", "delta/")) and validation_key(key) != key]
    assert {"quality/accuracy", "delta/accuracy_pp_low", "delta/gained", "delta/accuracy_mcnemar_p"} <= set(rates)
    assert all(metrics[validation_key(key)] == metrics[key] for key in rates)
    assert {key for key in metrics if key.startswith("validation/")} == set(map(validation_key, rates))


def test_every_report_has_the_metrics_that_an_objective_may_name_but_those_of_some_tasks() -> None:
    always = {metric.key for metric in METRICS.values() if metric.always}
    missing = always - set(report([samples([1.0])]).metrics())
    assert missing == {
        f"{split}/{name}"
        for split in ("quality", "validation")
        for name in (
            "f1_macro", "in_scope_accuracy", "oos_recall", "oos_precision", "f1_micro", "f1_samples", "average_precision",
            "balanced_accuracy", "class_recall",
        )
    }  # fmt: skip


def test_what_the_machine_did_is_told_and_what_it_does_not_tell_is_absent() -> None:
    quiet = report([samples([1.0])])
    assert quiet.metrics()["machine/busy_others_cores"] == 0.1 and "machine/steal" not in quiet.metrics()
    busy = report([samples([1.0])], conditions=replace(QUIET, busy_others=0.9)).tags()
    assert busy == {"contended": "other processes used 0.9 cores while it was measured"} and quiet.tags() == {}


def test_blocks_in_which_the_process_was_put_off_its_core_are_counted() -> None:
    processes = [samples([1.0]), samples([1.0], 3, 0.5), samples([1.0], 3, 0.99), samples([1.0], 0, 0.5)]
    alone = report(processes)
    assert alone.metrics()["machine/descheduled_blocks"] == 0.25
    assert alone.tags() == {"contended": "a worker was put off its core in 25% of the blocks"}
    both = report([samples([1.0])], against(Pair(samples([1.0]), samples([1.0], 3, 0.5), True, 1.0)))
    assert both.metrics()["machine/descheduled_blocks"] == 0.5  # the baseline's count too
    threads = replace(alone, latency=replace(alone.latency, threads=2))  # the CPU time of two tells nothing
    assert "machine/descheduled_blocks" not in threads.metrics() and threads.tags() == {}


def test_what_was_seen_after_the_pairs_makes_it_doubtful_too() -> None:
    later = replace(report([samples([1.0])]), contended_afterwards="other processes used 1.0 cores while it was measured")
    told = "memory, throughput and profile only: other processes used 1.0 cores while it was measured"
    assert later.tags() == {"contended": told}


def test_cores_and_threads_of_a_worker_are_told_where_they_are_known() -> None:
    plain = report([samples([1.0])])
    known = replace(plain, latency=replace(plain.latency, cores=(1, 3), tasks=4))
    assert known.tags() == {"pinned_to": "1, 3"} and known.metrics()["machine/worker_threads"] == 4
    assert plain.tags() == {} and "machine/worker_threads" not in plain.metrics()
