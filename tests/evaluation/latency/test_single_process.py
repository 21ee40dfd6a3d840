"""A single process: memory, curves, cost and energy, and clients that really ask at the same time."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import psutil
import pytest

from pipeline.config import Measure
from pipeline.errors import MeasureError
from pipeline.evaluation.latency import energy, single_process
from pipeline.evaluation.latency.energy import Counter
from pipeline.evaluation.latency.process import Worker
from pipeline.evaluation.latency.single_process import (
    BATCH_SIZES,
    CLIENTS,
    SingleProcess,
    affordable,
    group_by_length,
    measure_single_process,
    memory_metrics,
)
from pipeline.evaluation.profile import Curve, Profile
from pipeline.runtimes.base import load
from pipeline.system import machine
from tests.support.instant import write
from tests.support.waiting import LIMIT_S, wait_for

pytestmark = pytest.mark.slow

LABELS = ["food", "music", "weather"]
TEXTS = ["no", "play a song", "is it sunny", "pizza", "play " * 9, "is it rain " * 20]
SETTINGS = Measure(warmup_calls=3, batch_size=1, price_per_core_hour=0.04)


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("models") / "instant", LABELS)


@pytest.fixture(scope="module")
def found(artifact: Path) -> SingleProcess:
    with pytest.MonkeyPatch.context() as patch:
        for name, seconds in (("BATCH_S", 0.02), ("SERVE_S", 0.1)):
            patch.setattr(single_process, name, seconds)
        return measure_single_process(artifact, TEXTS, {None: TEXTS[:2]}, SETTINGS, machine.least_busy_cores(1))


@pytest.fixture(scope="module")
def profile(found: SingleProcess) -> Profile:
    assert found.profile is not None
    return found.profile


def curve(profile: Profile, name: str) -> Curve:
    (one,) = [curve for curve in profile.curves if curve.name == name]
    assert all(len(values) == len(one.x) and min(values) > 0 for values in one.series.values())
    assert list(one.x) == sorted(set(one.x))
    return one


def test_it_predicts_what_the_classifier_says(found: SingleProcess, artifact: Path) -> None:
    here = load(artifact, threads=1)
    np.testing.assert_allclose(found.logits, np.concatenate([here.logits([text]) for text in TEXTS]), atol=1e-5)
    assert found.texts_per_s > 0


def test_the_curve_over_tokens_counts_every_call_and_its_parts_add_up(profile: Profile) -> None:
    tokens = curve(profile, "tokens")
    assert tokens.x == (1, 3, 9, 60) and sum(tokens.series["calls"]) == 1000  # the longest is 60 words
    parts = np.add(tokens.series["tokenize_ms"], tokens.series["model_ms"])
    np.testing.assert_allclose(parts, tokens.series["p50_ms"], rtol=0.5)  # a median of sums is not the sum of medians
    assert set(tokens.series) == {"p50_ms", "tokenize_ms", "model_ms", "calls"}


def test_the_other_curves_go_as_far_as_they_should(profile: Profile) -> None:
    cores = machine.machine()["cores"]
    threads = curve(profile, "threads")
    assert threads.x[0] == 1 and threads.x[-1] <= cores and set(threads.series) == {"p50_ms", "p95_ms"}
    assert curve(profile, "batch").x == BATCH_SIZES and curve(profile, "clients").x == CLIENTS


def test_speed_and_time_of_a_batch_are_one_metric_told_twice(profile: Profile) -> None:
    series = curve(profile, "batch").series
    np.testing.assert_allclose(np.multiply(series["ms_per_text"], series["texts_per_s"]), 1000)


def test_slower_percentiles_are_slower(profile: Profile) -> None:
    clients = curve(profile, "clients").series
    assert all(a <= b <= c for a, b, c in zip(clients["p50_ms"], clients["p95_ms"], clients["p99_ms"], strict=True))


def test_cost_is_of_the_best_number_of_clients(profile: Profile) -> None:
    speed = max(curve(profile, "clients").series["texts_per_s"]) / min(
        single_process.usable_cores(), single_process.SERVING_CORES
    )
    assert profile.metrics["cost/texts_per_core_s"] == pytest.approx(speed)
    a_million_s = 1e6 / speed
    assert profile.metrics["cost/price_per_million_texts"] == pytest.approx(0.04 * a_million_s / 3600)


def test_every_point_of_every_curve_goes_into_a_chart(profile: Profile) -> None:
    points = profile.points()
    assert len(points) == sum(len(curve.x) * len(curve.series) for curve in profile.curves)
    assert ("profile/by_clients/p50_ms", 8, curve(profile, "clients").series["p50_ms"][-1]) in points


def test_memory_is_told_after_loading_and_after_the_calls(found: SingleProcess) -> None:
    assert found.memory["memory/peak_mb"] > 10
    if Path("/proc/self/smaps_rollup").exists():
        loaded, warm = found.memory["memory/pss_loaded_mb"], found.memory["memory/pss_warm_mb"]
        assert max(loaded, warm) <= found.memory["memory/pss_peak_mb"] <= found.memory["memory/peak_warm_mb"] * 1.1
        assert found.memory["memory/peak_mb"] <= found.memory["memory/peak_warm_mb"] and (found.tasks or 0) >= 1


def test_without_a_price_there_is_no_price_and_without_a_profile_nothing_of_it(
    artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients = Curve("clients", (1,), {"texts_per_s": (10.0,)})
    assert single_process._cost(clients, 4, None) == {"cost/texts_per_core_s": 2.5}
    monkeypatch.setattr(single_process, "_by_clients", None)  # and none of it is measured
    plain = measure_single_process(artifact, TEXTS, {}, replace(SETTINGS, profile=False, warmup_calls=0), [])
    assert plain.profile is None and plain.logits.shape == (6, 3)
    assert set(plain.memory) <= {"memory/peak_mb", "memory/pss_loaded_mb"} and "memory/peak_mb" in plain.memory


def test_memory_that_is_not_told_is_left_out() -> None:
    assert memory_metrics([{"peak_mb": 3.0}, {"peak_mb": 4.0}, {"peak_mb": 5.0}]) == {
        "memory/peak_mb": 4.0,
        "memory/peak_warm_mb": 5.0,
    }
    assert memory_metrics([{}, {}, {}]) == {}
    told = [{"pss_mb": 1.0, "peak_mb": 2.0}, {"pss_mb": 4.0, "peak_mb": 6.0}, {"pss_mb": 3.0, "peak_mb": 7.0}]
    assert memory_metrics(told) == {
        "memory/pss_loaded_mb": 1.0, "memory/peak_mb": 6.0, "memory/pss_warm_mb": 3.0, "memory/pss_peak_mb": 4.0,
        "memory/peak_warm_mb": 7.0,
    }  # fmt: skip


def test_calls_of_like_length_are_few_groups_with_calls_enough() -> None:
    tokens = np.random.default_rng(0).geometric(0.05, size=1000)
    groups = group_by_length(tokens)
    assert 2 < len(groups) <= 12 and min(len(group) for group in groups) >= 20
    assert sorted(np.concatenate(groups)) == list(range(1000))
    for shorter, longer in pairwise(groups):
        assert tokens[shorter].max() < tokens[longer].min()
    assert [len(group) for group in group_by_length(np.array([5, 5, 7]))] == [3]


def test_a_worker_serves_so_many_clients_and_ends_their_threads(artifact: Path) -> None:
    with Worker(artifact, 1, []) as worker:
        process = psutil.Process(worker.pid)
        worker.ask("throughput", texts=TEXTS, batch_size=2)
        before = process.num_threads()
        clients = worker.ask("serve", texts=TEXTS, clients=3, seconds=0.3)["clients"]
        wait_for(lambda: process.num_threads() <= before)  # one that Python has joined is gone a moment later
    assert len(clients) == 3
    for client in clients:
        assert len(client["ms"]) > 1 and 0 < client["seconds"] < LIMIT_S
        assert 0 < sum(client["ms"]) <= 1000 * client["seconds"]


def test_the_error_of_one_client_is_an_answer(artifact: Path) -> None:
    with Worker(artifact, 1, []) as worker:
        with pytest.raises(MeasureError, match="ValueError: expected a text"):
            worker.ask("serve", texts=["no", None], clients=2, seconds=0.1)
        assert worker.ask("serve", texts=["no"], clients=2, seconds=0.0)["clients"][1]["ms"]  # it lives; one call at least


def test_energy_that_is_not_told_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "POWERCAP", tmp_path / "powercap")
    assert energy.counters() == {} and energy.spent_j({}, {}) == 0
    nothing = single_process.SingleCalls(np.ones(4), np.ones(4), np.ones(4, np.int64), [], 1.0, joules=0.0)
    assert single_process._energy(nothing) == {}
    assert single_process._energy(nothing._replace(joules=2.0)) == {"energy/mj_per_text": 500.0}


def test_energy_is_of_all_packages_also_when_a_counter_starts_again() -> None:
    before = {"intel-rapl:0": Counter(90e6, 100e6), "intel-rapl:1": Counter(5e6, 100e6)}
    after = {"intel-rapl:0": Counter(2e6, 100e6), "intel-rapl:1": Counter(8e6, 100e6)}
    assert energy.spent_j(before, after) == pytest.approx(12 + 3)


def test_a_slow_classifier_gets_fewer_calls_and_smaller_batches_and_that_is_told(
    artifact: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert affordable(1.0, 1000) == 1000 and affordable(100.0, 1000) == 200 and affordable(60_000.0, 1000) == 20
    for name, seconds in (("BATCH_S", 0.02), ("SERVE_S", 0.1), ("CALLS_S", 0.0), ("CURVE_S", 0.0)):
        monkeypatch.setattr(single_process, name, seconds)
    caplog.set_level("INFO", logger="pipeline")
    found = measure_single_process(artifact, TEXTS, {}, SETTINGS, machine.least_busy_cores(1))
    assert found.profile is not None and sum(curve(found.profile, "tokens").series["calls"]) == 20
    assert curve(found.profile, "batch").x == (1,)
    assert "profile: 20 single calls, not 1000" in caplog.text and "batches of 2 and more texts are left out" in caplog.text


def test_the_texts_of_the_throughput_are_not_the_first_of_a_file_that_is_sorted() -> None:
    texts = [f"{label} {number}" for label in ("food", "music") for number in range(1000)]
    drawn = single_process.throughput_texts(texts, np.random.default_rng(0))
    assert len(drawn) == len(set(drawn)) == 512 and 200 < sum(text.startswith("food") for text in drawn) < 312
    assert drawn == single_process.throughput_texts(texts, np.random.default_rng(0))
    few = single_process.throughput_texts(["a", "b"], np.random.default_rng(0))
    assert len(few) == 512 and few.count("a") == 256
