"""Which runs a decision can use: one candidate for each optimization beside its own baseline; what does not compare."""

from dataclasses import replace

import pytest

from pipeline.config import Decide
from pipeline.errors import TrackError
from pipeline.evaluation.rows import Row
from pipeline.selection.candidate import Candidate
from pipeline.selection.decision import decide
from pipeline.selection.evidence import gather
from tests.support.candidates import row

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
