"""The decision: bounds and their intervals, preference without ranking inside the noise, what does not compare."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.config import Config, Decide
from pipeline.errors import ConfigError, TrackError
from pipeline.evaluation.evidence import Answered, Evidence, from_calls
from pipeline.evaluation.quality.seeds import change_over_seeds, ratio_over_seeds, share_over_seeds
from pipeline.evaluation.rows import Row
from pipeline.reporting.decision import write
from pipeline.selection.candidate import Candidate
from pipeline.selection.choose import choose, front
from pipeline.selection.constraints import Rules
from pipeline.selection.decision import Decision, Registered, decide
from pipeline.selection.evidence import gather
from pipeline.selection.paired import accuracy_difference, speed_ratio


def row(
    name: str,
    p95: float = 2.0,
    mb: float = 20.0,
    speedup: float = 4.0,
    loss_pp: float = 0.0,
    width: float = 0.02,
    test_pp: float | None = None,
    **more: Any,
) -> Row:
    """A run; `width` is that of its intervals: of the value, or in percentage points times ten. `loss_pp` is its change on
    validation, and on test unless `test_pp` is given."""

    def interval(key: str, value: float, half: float) -> dict[str, float]:
        return {key: value, f"{key}_low": value - half, f"{key}_high": value + half}

    metrics = {"size/mb": mb, "memory/peak_mb": 100.0, "latency/mean_ms": p95 / 2}
    metrics |= interval("latency/p95_ms", p95, p95 * width / 2) | interval("delta/speedup", speedup, speedup * width / 2)
    metrics |= interval("delta/speedup_p95", speedup, speedup * width / 2)
    for change, accuracy, of in (
        ("validation/delta_accuracy_pp", "validation/accuracy", loss_pp),
        ("delta/accuracy_pp", "quality/accuracy", loss_pp if test_pp is None else test_pp),
    ):
        metrics |= interval(change, of, 5 * width) | interval(accuracy, 0.9 + of / 100, 0.01)
    return replace(Row(name, metrics, run_id=f"run-{name}", seed=42), **more)


def without(name: str, *keys: str, **more: Any) -> Row:
    """A run without the bounds of these metrics."""
    found = row(name, **more)
    dropped = {key + bound for key in keys for bound in ("_low", "_high")}
    return replace(found, metrics={key: value for key, value in found.metrics.items() if key not in dropped})


def timed(*speedups: float, baseline_ms: Sequence[float] = ()) -> Evidence:
    """One value for each pair."""
    return Evidence(log_ratios=np.log(speedups), baseline_ms=tuple(np.full(20, ms) for ms in baseline_ms))


def answered(right: np.ndarray) -> Evidence:
    return Evidence(texts=tuple(f"text {i}" for i in range(len(right))), right=right)


BASELINE = Candidate((row("bert", p95=8.0, mb=80.0, speedup=1.0, is_baseline=True),))
SMALL = Candidate((row("small", p95=2.0, mb=16.0, speedup=8.0, loss_pp=-0.5),))
FAST = Candidate((row("fast", p95=1.0, mb=40.0, speedup=12.0, loss_pp=-1.5),))
ALL = [BASELINE, SMALL, FAST]


def words(candidate: Candidate, strict: bool = True, **bounds: float) -> list[str]:
    return [failure.message for failure in Rules(bounds, strict).failures(candidate)]


def test_each_rejection_names_the_metric_its_interval_and_the_bound() -> None:
    assert words(SMALL, latency_p95_ms=3, size_mb=16, speedup=5, accuracy_loss=0.01, min_accuracy=0.88) == []
    assert words(BASELINE, size_mb=30, speedup=1.5) == [
        "size 80.0 MB, at most 30 MB", "speed-up 1.00x, at least 1.5x",
    ]  # fmt: skip
    assert words(FAST, accuracy_loss=0.01) == ["change of accuracy on validation -1.50 pp [-1.60, -1.40], at least -1 pp"]
    assert words(FAST, min_oos_recall=0.5) == [
        "out-of-scope recall was not measured on validation, at least 50 % is required"
    ]


def test_a_bound_must_hold_for_the_whole_interval_unless_not_strict() -> None:
    bounds: dict[str, Any] = {"latency_p95_ms": 2.01, "accuracy_loss": 0.0055, "min_accuracy": 0.89}
    assert [text.partition(" ")[0] for text in words(SMALL, **bounds)] == ["p95", "change", "accuracy"]
    assert all("the value keeps it, its interval does not" in text for text in words(SMALL, **bounds))
    assert words(SMALL, strict=False, **bounds) == []


def test_a_speedup_of_one_pair_has_no_interval_and_keeps_no_strict_bound() -> None:
    quick = Candidate((without("quick", "delta/speedup", speedup=9.0),))
    assert words(quick, speedup=3) == ["speed-up 9.00x without an interval, at least 3x"]
    assert words(quick, strict=False, speedup=3) == []
    told = json.dumps(decide("toy", [quick], {"speedup": 3}, Decide("size")).plain(), allow_nan=False)
    assert '"delta/speedup": [9.0]' in told


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


def test_over_seeds_the_bounds_hold_how_much_seeds_differ() -> None:
    seeds = [replace(row("x", speedup=value, width=0.0), seed=seed) for seed, value in enumerate((4.0, 4.4, 3.6))]
    metric = Candidate(tuple(seeds)).metric("delta/speedup")
    assert metric is not None and metric.value == pytest.approx(4)
    half = 4.302653 * 0.4 / 3**0.5  # Student's t with two degrees of freedom
    assert [metric.low, metric.high] == pytest.approx([4 - half, 4 + half])
    assert Candidate(tuple(seeds)).name == "x (3 seeds)"


def test_the_seed_that_ships_has_the_best_artifact_not_the_best_last_epoch() -> None:
    seeds = [replace(row("x", loss_pp=pp), seed=seed) for seed, pp in enumerate((-1.0, 0.5, -2.0))]
    curves = [
        replace(each, metrics=each.metrics | {"training/validation_accuracy": 0.9 + 0.01 * (each.seed or 0)})
        for each in seeds
    ]
    assert Candidate(tuple(curves)).best_run().seed == 1


def decided(strict: bool = True, prefer: str = "latency", **bounds: float) -> Decision:
    return decide("toy/tiny", ALL, bounds, Decide(prefer, strict))


def test_every_candidate_but_the_chosen_has_its_reason() -> None:
    decision = decided(size_mb=50, accuracy_loss=0.01)
    assert decision.chosen is SMALL and decision.verdict().startswith("ship small: ")
    assert "size 80.0 MB" in decision.why_not(BASELINE) and "change of accuracy" in decision.why_not(FAST)
    assert decided(size_mb=50).why_not(SMALL) == (
        "keeps the constraints, but fast has the best point estimate in latency (these weights); its "
        "comparison with small is unknown"
    )


def test_the_one_chosen_on_validation_is_confirmed_on_test_once() -> None:
    lucky = Candidate((row("lucky", speedup=20.0, loss_pp=-0.5, test_pp=-1.2),))
    decision = decide("toy", [*ALL, lucky], {"accuracy_loss": 0.01}, Decide())
    assert decision.chosen is None and decision.unconfirmed is lucky and decision.chosen_among == 4
    assert decision.verdict() == (
        "not confirmed: lucky (these weights) was chosen among 4, but on the test split it fails: change of accuracy on "
        "test -1.20 pp [-1.30, -1.10], at least -1 pp; missed by 0.30 pp. Nothing is shipped, "
        "and no other is tried: test would choose then"
    )
    assert decision.why_not(SMALL).startswith("keeps the constraints, but lucky")
    assert decision.why_not(lucky).startswith("was chosen among 4, not confirmed on test: change of accuracy")
    told = decision.plain()
    assert (told["chosen"], told["unconfirmed"], told["confirmed"], told["chosen_among"]) == (None, "lucky", False, 4)
    value = decide("toy", [lucky], {"accuracy_loss": 0.0125}, Decide())
    assert value.chosen is None and decide("toy", [lucky], {"accuracy_loss": 0.0125}, Decide(strict=False)).chosen is lucky


def test_the_verdict_says_how_often_the_test_split_has_confirmed_something() -> None:
    decision = decide("toy", ALL, {}, Decide())
    assert "confirmation on this test split" not in decision.verdict()
    again = replace(decision, confirmations=2)
    assert "; it is the 2nd confirmation on this test split" in again.verdict() and again.plain()["confirmations"] == 2
    failed = replace(decide("toy", ALL, {"size_mb": 1}, Decide(only="small")), confirmations=13)
    assert "; it is the 13th confirmation on this test split" in failed.verdict() and failed.picked is SMALL


def test_a_note_says_where_the_best_epoch_flatters_one_side_only() -> None:
    trained = replace(SMALL.rows[0], metrics=SMALL.rows[0].metrics | {"training/selection_optimism_pp": 0.4})
    (note,) = decide("toy", [BASELINE, Candidate((trained,))], {}, Decide(only="small")).notes
    assert note.startswith("the training of small was stopped at its best epoch") and "by about 0.40 pp" in note
    both = Candidate(
        (replace(BASELINE.rows[0], metrics=BASELINE.rows[0].metrics | {"training/selection_optimism_pp": 0.2}),)
    )
    assert decide("toy", [both, Candidate((trained,))], {}, Decide(only="small")).notes == ()
    (note,) = decide("toy", [both, SMALL], {}, Decide(only="small")).notes
    assert note.startswith("the training of bert was stopped")


def test_test_figures_choose_nothing() -> None:
    bad = Candidate((row("bad", speedup=20.0, loss_pp=-2.0, test_pp=0.0),))
    assert decide("toy", [*ALL, bad], {"accuracy_loss": 0.01}, Decide()).chosen is SMALL
    best = [Candidate((row(name, loss_pp=on, test_pp=-on),)) for name, on in (("validation", 1.0), ("test", -1.0))]
    assert decide("toy", best, {}, Decide("accuracy")).chosen is best[0]


def test_both_figures_are_told_and_which_one_to_report() -> None:
    decision = decide("toy", [BASELINE, Candidate((row("small", loss_pp=0.3, test_pp=-0.2),))], {}, Decide())
    assert decision.reported() == (
        "accuracy of these weights on test: 89.80 % [88.80, 90.80] (-0.20 pp [-0.30, -0.10] against the baseline); this is "
        "the one to report. On validation, where it was chosen among 2, it is 90.30 % [89.30, 91.30]"
    )
    told = decision.plain()
    assert told["to_report"]["quality/accuracy"] == pytest.approx([0.898, 0.888, 0.908]) and told["confirmed"] is True
    assert told["candidates"][1]["metrics"]["validation/accuracy"] == pytest.approx([0.903, 0.893, 0.913])


def test_a_run_that_is_older_than_metrics_of_validation_must_be_run_again() -> None:
    old = row("old", speedup=30.0)
    old = replace(old, metrics={key: value for key, value in old.metrics.items() if not key.startswith("validation/")})
    decision = decide("toy", [SMALL, Candidate((old,))], {}, Decide())
    assert decision.chosen is SMALL
    assert decision.why_not(decision.candidates[1]) == (
        "its run has no metrics of the validation split, which chooses; run it again"
    )


def test_one_that_is_asked_for_is_only_confirmed() -> None:
    kept = decide("toy", ALL, {"size_mb": 50, "accuracy_loss": 0.01}, Decide(only="small"))
    assert kept.chosen is SMALL and kept.why_not(FAST) == "decide.only requests another one" and kept.chosen_among == 1
    assert "where it was requested by decide.only, it is" in kept.reported()
    on_test = Candidate((row("one", loss_pp=-3.0, test_pp=0.0),))
    assert decide("toy", [BASELINE, on_test], {"accuracy_loss": 0.01}, Decide(only="one")).chosen is on_test
    failed = decide("toy", ALL, {"size_mb": 15, "speedup": 9, "min_accuracy": None}, Decide(only="small"))
    assert failed.chosen is None and failed.unconfirmed is SMALL
    assert "size 16.0 MB, at most 15 MB; missed by 1.0 MB; speed-up 8.00x" in failed.verdict()
    two = [Candidate((row("x", speedup=speedup, settings=f"depth={speedup}"),)) for speedup in (2.0, 3.0)]
    assert decide("toy", [*ALL, *two], {}, Decide(only="x")).chosen is two[1], "of several settings, validation chooses"
    assert decide("toy", [*ALL, *two], {}, Decide(only="x depth=2.0")).chosen is two[0]
    with pytest.raises(TrackError, match=r"decide\.only=smal: this optimization has no finished run.*did you mean small"):
        decide("toy", ALL, {}, Decide(only="smal"))


def test_milliseconds_are_those_of_the_pooled_baseline() -> None:
    slow_minute = Candidate((row("a", p95=3.0, speedup=4.0),), (timed(4, 4, baseline_ms=(12.0, 12.0)),))
    quick_minute = Candidate((row("b", p95=2.0, speedup=4.0),), (timed(4, 4, baseline_ms=(8.0, 8.0)),))
    both = [slow_minute, quick_minute]
    decision = decide("toy", both, {"latency_p95_ms": 2.4}, Decide())
    pooled = (12 * 8) ** 0.5  # 9.80 ms
    messages = [decision.why_not(each) for each in both]
    assert (
        messages[0]
        == messages[1]
        == (f"p95 {pooled / 4:.2f} ms [2.43, 2.47] (the baseline's 9.80 ms, by the ratio), at most 2.4 ms")
    )
    assert decision.notes[0].startswith(
        "p95 is the ratio to the baseline, measured in turns, times the baseline's 9.80 ms (over 2 runs, "
        "by run 8.00 to 12.00): milliseconds of this machine as it was then"
    )
    assert decide("toy", both, {"latency_p95_ms": 2.48}, Decide()).chosen is not None


def test_a_bound_on_one_measurement_says_that_it_is_one() -> None:
    decision = decide("toy", ALL, {"memory_mb": 50}, Decide())
    assert decision.why_not(SMALL) == "peak memory 100 MB (one measurement without an interval), at most 50 MB"
    assert decision.notes == ("peak memory is one measurement without an interval: its bound may be kept by chance",)


def test_cost_ranks_nothing() -> None:
    with pytest.raises(ConfigError, match=r"prefer=cost: .* measured once, not in pairs, .* use decide.prefer=latency"):
        Decide("cost")


def test_impossible_constraints_name_what_comes_nearest() -> None:
    decision = decided(size_mb=15, speedup=9)
    assert decision.chosen is None
    assert decision.verdict() == (
        "no candidate keeps the constraints; the nearest is fast: size 40.0 MB, at most 15 MB"
    )  # it fails one bound, small fails two


def test_json_and_page_say_what_was_decided_and_why(tmp_path: Path) -> None:
    decision = replace(decided(size_mb=50, accuracy_loss=0.01), registered=Registered("toy-tiny", "2", "1", "checked"))
    write(decision, tmp_path, "- what it means")
    told = json.loads((tmp_path / "decision.json").read_text())
    assert (told["chosen"], told["run_id"], told["constraints"]) == (
        "small",
        "run-small",
        {"size_mb": 50, "accuracy_loss": 0.01},
    )
    assert {each["name"]: list(each["rejected"]) for each in told["candidates"]} == {
        "bert": ["size_mb"], "small": [], "fast": ["accuracy_loss"],
    }  # fmt: skip
    page = (tmp_path / "decision.md").read_text()
    for part in (
        "**ship small: ",
        "this is the one to report",
        "Pareto front of the point estimates",
        "- **fast**: change of accuracy",
        "toy-tiny version 2; version 1 is the previous one; checked",
        "constraints.size_mb=50",
        "what it means",
    ):
        assert part in page
    assert (tmp_path / "comparison.png").exists()


TAGS = {"machine": "one", "data_hash": "d", "protocol": "p", "baseline": "bert", "comparable": "c"}


def gathered(*found: tuple[Row, dict[str, str]], sweep: str | None = None) -> list[Candidate]:
    return gather(found, "toy/tiny", sweep)


def test_seeds_are_gathered_into_one_candidate_each_beside_its_own_baseline() -> None:
    found = [(replace(row("bert", is_baseline=True), seed=seed), TAGS | {"comparable": f"c{seed}"}) for seed in (1, 2)]
    found += [(replace(row("small"), seed=seed), TAGS | {"comparable": f"c{seed}"}) for seed in (2, 1)]
    candidates = gathered(*found)
    assert [each.name for each in candidates] == ["bert (2 seeds)", "small (2 seeds)"]
    assert [each.seed for each in candidates[1].rows] == [1, 2]


def test_what_a_run_of_before_does_not_tell_is_no_difference() -> None:
    before = {key: value for key, value in TAGS.items() if key != "protocol"}
    assert len(gathered((row("bert", is_baseline=True), before), (row("small"), TAGS))) == 2


def test_one_that_is_called_as_the_baseline_is_has_another_name() -> None:
    found = gathered((row("bert", is_baseline=True), TAGS), (row("bert", mb=10.0), TAGS | {"comparable": "c"}))
    assert [each.name for each in found] == ["bert", "bert changed"]


@pytest.mark.parametrize(("tag", "what"), [("machine", "machines"), ("data_hash", "data"), ("protocol", "measuring")])
def test_runs_that_do_not_compare_are_not_decided_on(tag: str, what: str) -> None:
    with pytest.raises(TrackError, match=what) as caught:
        gathered((row("bert", is_baseline=True), TAGS), (row("small"), TAGS | {tag: "other", "comparable": "e"}))
    assert "small: other" in str(caught.value) and "sweep.id=ID" in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_baseline_and_an_empty_experiment_are_one_line() -> None:
    with pytest.raises(TrackError, match="small: the baseline has no finished run to compare with"):
        gathered((row("small"), TAGS))
    with pytest.raises(TrackError, match="no finished run yet"):
        gathered()
    with pytest.raises(TrackError, match="sweep X has no finished run"):
        gathered(sweep="X")
    with pytest.raises(TrackError, match="baselines that were made differently: bert, small / bert, fast"):
        gathered(
            (row("bert", is_baseline=True), TAGS), (row("small"), TAGS),
            (row("bert", is_baseline=True), TAGS | {"comparable": "e"}), (row("fast"), TAGS | {"comparable": "e"}),
        )  # fmt: skip


def test_a_sweep_over_the_training_of_the_baseline_is_judged_run_by_run() -> None:
    found = []
    for rate, better in (("1e-4", -2.0), ("3e-4", 0.0)):  # the baseline of 1e-4 is 2 points worse
        settings, tags = f"learning_rate={rate}", TAGS | {"comparable": rate}
        for name, pp, is_baseline in (("bert", better, True), ("small", better - 0.5, False)):
            metrics = row(name, loss_pp=pp).metrics
            metrics = {**metrics, "delta/accuracy_pp": pp - better, "validation/delta_accuracy_pp": pp - better}
            one = replace(row(name), metrics=metrics, settings=settings, is_baseline=is_baseline, comparable=rate)
            found.append((one, tags))
    candidates = gathered(*found)
    names = ["bert learning_rate=1e-4", "bert learning_rate=3e-4", "small learning_rate=1e-4", "small learning_rate=3e-4"]
    assert [each.name for each in candidates] == names
    assert [candidates[1].is_baseline_of(each) for each in candidates[2:]] == [False, True]
    decision = decide("toy", candidates, {}, Decide("accuracy", only="small"))
    assert decision.chosen is candidates[3], "by its accuracy: its change is that of the other one"
    assert decision.notes[0].startswith("there are 2 baselines (bert learning_rate=1e-4, bert learning_rate=3e-4)")


def several(seeds: int, rng: np.random.Generator, texts: int = 600) -> Candidate:
    """A candidate with evidence of both splits; the seeds answer the same texts."""
    before = np.tile(rng.random(texts) < 0.9, (seeds, 1))
    after = np.where(rng.random((seeds, texts)) < 0.03, ~before, before)
    names = tuple(map(str, range(texts)))
    evidence = tuple(
        Evidence(names, after[i], before[i], Answered(names, after[i], before[i]), rng.normal(0.7, 0.01, 6))
        for i in range(seeds)
    )
    change = [100 * float(right.mean() - before[0].mean()) for right in after]
    return Candidate(tuple(replace(row("many", loss_pp=pp), seed=i) for i, pp in enumerate(change)), evidence)


def test_over_seeds_the_bounds_take_texts_and_seeds_together_where_answers_are_known() -> None:
    many = several(3, np.random.default_rng(0))
    before, after = (
        np.stack([np.asarray(getattr(run, name)) for run in many.evidence]) for name in ("baseline_right", "right")
    )
    for key in ("delta/accuracy_pp", "validation/delta_accuracy_pp"):
        assert many.metric(key) == change_over_seeds(before, after).scaled(100)
    assert many.metric("validation/accuracy") == share_over_seeds(after) == many.metric("quality/accuracy")
    assert many.metric("delta/speedup") == ratio_over_seeds([run.log_ratios for run in many.evidence])
    outside = np.arange(before.shape[1]) < 100
    runs = tuple(
        replace(run, outside=outside, test=replace(run.test, outside=outside), p95_log_ratios=run.log_ratios / 2)  # type: ignore[type-var]
        for run in many.evidence
    )
    keys = ("quality/in_scope_accuracy", "delta/oos_recall_pp", "validation/delta_oos_recall_pp", "delta/speedup_p95")
    told = [replace(each, metrics=each.metrics | dict.fromkeys(keys, 0.0)) for each in many.rows]
    parts = Candidate(tuple(told), runs)
    assert parts.metric("quality/in_scope_accuracy") == share_over_seeds(after[:, 100:])
    for key in ("delta/oos_recall_pp", "validation/delta_oos_recall_pp"):
        assert parts.metric(key) == change_over_seeds(before[:, :100], after[:, :100]).scaled(100)
    assert parts.metric("delta/speedup_p95") == ratio_over_seeds([run.log_ratios / 2 for run in runs])
    known, unknown = many.metric("delta/accuracy_pp"), Candidate(many.rows).metric("delta/accuracy_pp")
    assert known is not None and unknown is not None and known.value == pytest.approx(unknown.value)
    other = replace(many.evidence[0], texts=tuple("abc"), test=None)
    apart = Candidate(many.rows, (other, *many.evidence[1:]))
    assert apart.metric("delta/accuracy_pp") == unknown, "each seed has its own test split"


def test_a_bound_on_macro_f1_is_not_judged_by_a_handful_of_texts() -> None:
    f1 = {f"validation/delta_f1_macro_pp{bound}": value for bound, value in (("", 0.1), ("_low", -0.2), ("_high", 0.4))}
    few = {"validation/delta_gained": 5.0, "validation/delta_lost": 4.0}
    one = replace(row("one"), metrics=row("one").metrics | f1 | few)
    (why,) = words(Candidate((one,)), f1_macro_loss=0.01)
    assert "macro F1" in why and "only 9 texts flipped, 30 are needed; bound accuracy_loss instead" in why
    assert words(Candidate((one,)), accuracy_loss=0.01) == [], "a share of fixed texts has an exact test"
    enough = replace(one, metrics=one.metrics | {"validation/delta_gained": 26.0})
    assert words(Candidate((enough,)), f1_macro_loss=0.01) == []


def quantized(agreement: float) -> Candidate:
    one = row("int8")
    return Candidate((replace(one, metrics=one.metrics | {"quantize/agreement": agreement}),))


def test_what_quantization_changed_much_is_not_chosen_unless_a_setting_allows_it(compose: Callable[..., Config]) -> None:
    bounds = compose("optim=baseline").constraints
    assert bounds["agreement"] == 0.98
    (failure,) = Rules(bounds, True).failures(quantized(0.95))
    assert failure.message == (
        "agreement with the network before quantization 95.0 %, at least 98 % (constraints.agreement=null allows it)"
    )
    assert not Rules(bounds, True).failures(quantized(0.99)) and not Rules(bounds, True).failures(SMALL)
    for allowed in ("0.9", "null"):
        bounds = compose("optim=baseline", f"constraints.agreement={allowed}").constraints
        assert not Rules(bounds, True).failures(quantized(0.95))
