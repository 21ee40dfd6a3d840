"""The decision: chosen on validation, confirmed once on test, told with reasons."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.config import Decide
from pipeline.errors import ConfigError, TrackError
from pipeline.reporting.decision import write
from pipeline.selection.candidate import Candidate
from pipeline.selection.decision import Decision, Registered, decide
from tests.support.candidates import ALL, BASELINE, FAST, SMALL, row, timed


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
