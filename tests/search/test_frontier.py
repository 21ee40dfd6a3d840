"""The search for the Pareto front: what is on it, what a kill leaves, that the test split is seen at its end only."""

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pipeline.run as spine
from pipeline.commands import frontier as program
from pipeline.config import KINDS, Config, Frontier
from pipeline.errors import ConfigError, OptimizationError
from pipeline.reporting.plots import pareto
from pipeline.search import pareto_search
from pipeline.search.pareto_search import quality_of, run_search
from pipeline.search.space import choices, name_of, optim_of
from pipeline.selection.trials import Judged, front
from pipeline.steps.execute import check_order
from pipeline.tracking.runs import Tracker
from pipeline.tracking.server import connect
from tests.conftest import shrunk, small

SPACE = Frontier(
    depth=[1, 2], neurons_kept=[0.5, 1.0], vocab_size=[0], rank=[0, 8], bits=[8], oos_score=["energy"], n_trials=5
)
Choice = dict[str, Any]


@pytest.fixture
def config(compose: Callable[..., Config], root: Path, toy_csv: Path) -> Config:
    composed = compose("optim=student_2l_low_rank", "optim@baseline=baseline_onnx", *small(root, toy_csv))
    return replace(shrunk(composed), frontier=SPACE)


def judged(choice: Choice) -> Judged:
    """Fewer layers are faster, more are better; rank 8 is smaller."""
    return Judged(10.0 / choice["depth"], 8.0 - choice["rank"] / 2 + choice["neurons_kept"], 0.5 + choice["depth"] / 10)


def test_every_choice_makes_an_optimization_whose_steps_are_in_order(config: Config) -> None:
    space = Frontier(
        depth=[1], neurons_kept=[0.5], vocab_size=[0, 60], rank=[0, 8], bits=[8, 4], oos_score=["energy", "margin"]
    )
    every = list(choices(space))
    assert len(every) == 16 and len({name_of(choice) for choice in every}) == 16
    for choice in every:
        optim = optim_of(choice, config.optim)
        check_order(optim, config.backbone)
        assert all(isinstance(step, KINDS["step"][step.kind]) for step in optim.steps.values())
        assert ("recover" in optim.steps) == bool(choice["vocab_size"] or choice["rank"])
    steps = config.optim.steps
    own: dict[str, Any] = {
        "calibrate": replace(steps["calibrate"], oos_share=0.1), "quantize": replace(steps["quantize"], per_channel=False),  # type: ignore[call-arg]
        "low_rank": replace(steps["low_rank"], feed_forward=4),  # type: ignore[call-arg]
    }  # fmt: skip
    made: dict[str, Any] = dict(optim_of(every[0], replace(config.optim, steps={**steps, **own})).steps)
    assert made["calibrate"].oos_share == 0.1 and not made["quantize"].per_channel
    assert (made["low_rank"].embeddings, made["low_rank"].feed_forward) == (every[0]["rank"] or None, 4)
    with pytest.raises(ConfigError, match="needs its steps distill and recover"):
        optim_of(every[0], config.baseline)


def test_the_front_are_those_that_no_other_beats(config: Config, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    wide = replace(SPACE, depth=[1, 2, 3], neurons_kept=[0.5, 0.75, 1.0], rank=[0, 8], bits=[8, 4], n_trials=36)

    def judge(choice: Choice) -> Judged:
        if choice["depth"] == 3 and choice["rank"]:
            raise OptimizationError("too large")
        speed, size, luck = (float(x) for x in random.integers(1, 6, 3))  # ties too, in one thing or in all
        return Judged(speed, size, 6 - speed + luck / 2)

    tried = run_search(replace(config, frontier=wide), tmp_path, judge)
    found = front(tried)
    assert len(tried) == 36 and 1 < len(found) < 20
    for one in tried:
        beaten = one.judged is None or any(
            other.judged is not None and other.judged != one.judged and other.judged.speedup >= one.judged.speedup
            and other.judged.size_mb <= one.judged.size_mb and other.judged.quality >= one.judged.quality
            for other in tried
        )  # fmt: skip
        assert (one in found) != beaten
    speeds = [one.judged.speedup for one in found if one.judged]
    assert speeds == sorted(speeds, reverse=True)


def test_quality_counts_a_fifth_as_out_of_scope_whatever_share_validation_has() -> None:
    truth = np.array([0, 0, 0, 1, 2, 2])
    assert quality_of(np.array([0, 0, 1, 1, 2, 0]), truth, 2, 0.2) == pytest.approx(0.8 * 3 / 4 + 0.2 / 2)
    assert quality_of(np.array([0, 0, 1, 1, 2, 0]), truth, 2, None) == pytest.approx(4 / 6)
    assert quality_of(np.array([0, 0, 1, 1, 2, 0]), truth, None, 0.2) == pytest.approx(4 / 6)


def test_it_tries_different_choices_and_after_a_kill_only_those_that_are_left(config: Config, tmp_path: Path) -> None:
    seen: list[Choice] = []

    def killed(choice: Choice) -> Judged:
        seen.append(choice)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return judged(choice)

    with pytest.raises(KeyboardInterrupt):
        run_search(config, tmp_path, killed)
    tried = run_search(config, tmp_path, killed)
    assert len(tried) == 5 and len({name_of(one.choice) for one in tried}) == 5
    assert len(seen) == 6 and seen[3] == seen[2], "the one that was killed comes first"
    everything = replace(config, frontier=replace(SPACE, n_trials=100))
    assert len(run_search(everything, tmp_path, judged)) == 8, "all there are"
    assert len(seen) == 6


def test_a_choice_that_can_not_be_made_is_told_and_left_out(
    config: Config, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(choice: Choice) -> Judged:
        if choice["rank"]:
            raise OptimizationError("too large")
        return judged(choice)

    tried = run_search(replace(config, frontier=replace(SPACE, n_trials=8)), tmp_path, refused)
    assert sum(one.judged is None for one in tried) == 4 and "can't be made: " in caplog.text
    pareto.save(tried, "title", tmp_path)
    assert (tmp_path / "frontier.png").stat().st_size > 10_000


@pytest.mark.slow
def test_from_the_command_to_runs_in_mlflow_of_what_is_on_the_front_and_test_texts_are_seen_last(
    config: Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from pipeline.search import frontier as module

    order: list[str] = []
    honest = pareto_search.judge

    def judge(artifact: Path, baseline: Path, context: Any, config: Config) -> Judged:
        blind = replace(context, splits=replace(context.splits, test=None))
        order.append("judged")
        return honest(artifact, baseline, blind, config)

    real = spine.run

    def run(config: Config) -> Any:
        order.append(f"run {config.optim.name}")
        return real(config)

    monkeypatch.setattr(module, "judge", judge)
    monkeypatch.setattr(module, "run", run)
    wanted = replace(config, frontier=replace(SPACE, depth=[1], neurons_kept=[1.0], n_trials=2, max_seconds=0.1))
    program.frontier(wanted)
    out = capsys.readouterr().out
    assert order[:2] == ["judged", "judged"] and all(word.startswith("run ") for word in order[2:]) and len(order) > 2
    assert out.count("on the Pareto front of point estimates: ") == 1
    (folder,) = (Path(config.track.root) / "frontier").iterdir()
    told = json.loads((folder / "frontier.json").read_text())
    assert len(told) == 2 and (folder / "frontier.png").exists()
    best = {each["name"] for each in told if each["on_front"]}
    assert best == {word.removeprefix("run ") for word in order[2:]}
    runs = {row.optim for row, _ in Tracker(connect(config.track), "toy/tiny", create=False).evidence(None)}
    assert best <= runs


def test_a_value_that_a_step_refuses_is_told_before_anything_is_made(config: Config) -> None:
    for wrong in ({"depth": [1, 0]}, {"bits": [8, 5]}, {"oos_score": ["energy", "mood"]}):
        with pytest.raises(ConfigError):
            program.frontier(replace(config, frontier=replace(SPACE, **wrong)))
    assert not (Path(config.track.root) / "stages").exists()


def test_wrong_spaces_are_refused() -> None:
    wrongs: list[dict[str, Any]] = [{"depth": []}, {"bits": [8, 8]}, {"n_trials": 0}, {"max_seconds": 0}]
    for wrong in wrongs:
        with pytest.raises(ConfigError):
            Frontier(**wrong)
    assert len(list(choices(Frontier()))) == 3 * 3 * 2 * 2 * 2 * 2
    assert len(list(itertools.islice(choices(Frontier()), 3))) == 3
