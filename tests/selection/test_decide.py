"""The decision: bounds and their intervals, preference without ranking inside the noise, what does not compare."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import Config, Decide
from pipeline.errors import TrackError
from pipeline.evaluation.rows import Row
from pipeline.reporting.decision import write
from pipeline.selection.candidate import Candidate
from pipeline.selection.choose import choose, front
from pipeline.selection.constraints import failures
from pipeline.selection.decision import Decision, Registered, decide
from pipeline.selection.evidence import gather


def row(
    name: str,
    p95: float = 2.0,
    mb: float = 20.0,
    speedup: float = 4.0,
    loss_pp: float = 0.0,
    width: float = 0.02,
    **more: Any,
) -> Row:
    """A run; `width` is that of its intervals, half of it on each side: of the value, or in percentage points times ten."""
    metrics = {
        "latency/p95_ms": p95, "latency/p95_ms_low": p95 * (1 - width / 2), "latency/p95_ms_high": p95 * (1 + width / 2),
        "size/mb": mb, "memory/peak_mb": 100.0, "latency/p50_ms": p95 / 2, "delta/speedup": speedup,
        "delta/speedup_low": speedup * (1 - width / 2), "delta/speedup_high": speedup * (1 + width / 2),
        "delta/accuracy_pp": loss_pp,
        "delta/accuracy_pp_low": loss_pp - 5 * width, "delta/accuracy_pp_high": loss_pp + 5 * width,
        "quality/accuracy": 0.9 + loss_pp / 100, "quality/accuracy_low": 0.89 + loss_pp / 100,
        "quality/accuracy_high": 0.91 + loss_pp / 100,
    }  # fmt: skip
    return replace(Row(name, metrics, run_id=f"run-{name}", seed=42), **more)


BASELINE = Candidate((row("bert", p95=8.0, mb=80.0, speedup=1.0, is_baseline=True),))
SMALL = Candidate((row("small", p95=2.0, mb=16.0, speedup=8.0, loss_pp=-0.5),))
FAST = Candidate((row("fast", p95=1.0, mb=40.0, speedup=12.0, loss_pp=-1.5),))
ALL = [BASELINE, SMALL, FAST]


def words(candidate: Candidate, strict: bool = True, **bounds: float) -> list[str]:
    return [failure.message for failure in failures(candidate, bounds, strict)]


def test_each_rejection_names_the_metric_its_interval_and_the_bound() -> None:
    assert words(SMALL, latency_p95_ms=3, size_mb=16, speedup=5, accuracy_loss=0.01, min_accuracy=0.88) == []
    assert words(BASELINE, size_mb=30, speedup=1.5) == [
        "size 80.0 MB, at most 30 MB", "speed-up 1.00x, at least 1.5x",
    ]  # fmt: skip
    assert words(FAST, accuracy_loss=0.01) == ["change of accuracy -1.50 pp [-1.60, -1.40], at least -1 pp"]
    assert words(FAST, min_oos_recall=0.5) == ["out-of-scope recall was not measured, at least 50 % is required"]


def test_a_bound_must_hold_for_the_whole_interval_unless_not_strict() -> None:
    bounds: dict[str, Any] = {"latency_p95_ms": 2.01, "accuracy_loss": 0.0055, "min_accuracy": 0.89}
    assert [text.partition(" ")[0] for text in words(SMALL, **bounds)] == ["p95", "change", "accuracy"]
    assert all("the value keeps it, its interval does not" in text for text in words(SMALL, **bounds))
    assert words(SMALL, strict=False, **bounds) == []


def test_a_speedup_of_one_pair_has_no_interval_and_keeps_no_strict_bound() -> None:
    quick = row("quick", speedup=9.0)
    for bound in ("_low", "_high"):
        del quick.metrics["delta/speedup" + bound]
    assert words(Candidate((quick,)), speedup=3) == ["speed-up 9.00x without an interval, at least 3x"]
    assert words(Candidate((quick,)), strict=False, speedup=3) == []
    assert choose([Candidate((quick,)), SMALL], "latency")[1][0] == "in latency, the intervals of quick, small overlap"
    told = json.dumps(decide("toy", [Candidate((quick,))], {"speedup": 3}, Decide("size")).plain(), allow_nan=False)
    assert '"delta/speedup": [9.0]' in told


def test_the_front_are_those_that_no_other_beats_in_all_three() -> None:
    beaten = Candidate((row("beaten", mb=17.0, speedup=7.0, loss_pp=-0.6),))
    assert [each.name for each in front([*ALL, beaten])] == ["bert", "small", "fast"]


def test_the_preferred_metric_decides_where_it_can_be_told_apart() -> None:
    assert choose(ALL, "latency")[0] is FAST and choose(ALL, "size")[0] is SMALL and choose(ALL, "accuracy")[0] is BASELINE


def test_what_can_not_be_told_apart_is_not_ranked_and_the_next_preference_decides() -> None:
    near = Candidate((row("near", mb=12.0, speedup=12.1, width=0.04),))
    chosen, told = choose([FAST, near, SMALL], "latency")
    assert chosen is near
    assert told == ["in latency, the intervals of fast, near overlap", "near is the best in size of these"]
    twins = [Candidate((row(name),)) for name in ("b", "a")]
    assert choose(twins, "latency")[0].name == "a" and "first by name" in choose(twins, "latency")[1][-1]


def test_over_seeds_the_bounds_hold_how_much_seeds_differ() -> None:
    seeds = [replace(row("x", speedup=value, width=0.0), seed=seed) for seed, value in enumerate((4.0, 4.4, 3.6))]
    metric = Candidate(tuple(seeds)).metric("delta/speedup")
    assert metric is not None and metric.value == pytest.approx(4)
    half = 4.302653 * 0.4 / 3**0.5  # Student's t with two degrees of freedom
    assert [metric.low, metric.high] == pytest.approx([4 - half, 4 + half])
    assert Candidate(tuple(seeds)).name == "x (3 seeds)"
    best = [replace(each, metrics=each.metrics | {"training/validation_accuracy": 0.9 + 0.01 * each.seed}) for each in seeds]  # type: ignore[operator]
    assert Candidate(tuple(best)).best_run().seed == 2


def decided(strict: bool = True, prefer: str = "latency", **bounds: float) -> Decision:
    return decide("toy/tiny", ALL, bounds, Decide(prefer, strict))


def test_every_candidate_but_the_chosen_has_its_reason() -> None:
    decision = decided(size_mb=50, accuracy_loss=0.01)
    assert decision.chosen is SMALL and decision.verdict().startswith("ship small: ")
    assert "size 80.0 MB" in decision.why_not(BASELINE) and "change of accuracy" in decision.why_not(FAST)
    assert decided(size_mb=50).why_not(SMALL) == "keeps the constraints, but fast is the best in latency"


def test_only_one_may_be_asked_for() -> None:
    kept = decide("toy", ALL, {"size_mb": 50, "accuracy_loss": 0.01}, Decide(only="small"))
    assert kept.chosen is SMALL and kept.why_not(FAST) == "decide.only requests another one"
    failed = decide("toy", ALL, {"size_mb": 15, "speedup": 9, "min_accuracy": None}, Decide(only="small"))
    assert failed.chosen is None and "nearest is small: size 16.0 MB, at most 15 MB, speed-up" in failed.verdict()
    with pytest.raises(TrackError, match=r"decide\.only=smal: this optimization has no finished run.*did you mean small"):
        decide("toy", ALL, {}, Decide(only="smal"))


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


def quantized(agreement: float) -> Candidate:
    one = row("int8")
    return Candidate((replace(one, metrics=one.metrics | {"quantize/agreement": agreement}),))


def test_what_quantization_changed_much_is_not_chosen_unless_a_setting_allows_it(compose: Callable[..., Config]) -> None:
    bounds = compose("optim=baseline").constraints
    assert bounds["agreement"] == 0.98
    (failure,) = failures(quantized(0.95), bounds, strict=True)
    assert failure.message == (
        "agreement with the network before quantization 95.0 %, at least 98 % (constraints.agreement=null allows it)"
    )
    assert not failures(quantized(0.99), bounds, strict=True) and not failures(SMALL, bounds, strict=True)
    for allowed in ("0.9", "null"):
        assert not failures(quantized(0.95), compose("optim=baseline", f"constraints.agreement={allowed}").constraints, True)
