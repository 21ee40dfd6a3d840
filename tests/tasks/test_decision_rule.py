"""Decision rules: what they answer, how sure, what they refuse; their fitting on validation, and on nothing else."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import logsumexp, softmax

from pipeline.config import Backbone, Config
from pipeline.data.splits import RawSplit, SplitFractions, Splits, assemble
from pipeline.errors import ConfigError, OptimizationError
from pipeline.runtimes import crossfit
from pipeline.runtimes.base import Description, load
from pipeline.steps.base import Context
from pipeline.steps.calibrate import Calibrate, fit_temperature, fit_threshold, fit_weight
from pipeline.steps.execute import check_order
from pipeline.tasks.decision_rule import OOS_SCORES, Rule
from tests.support import instant

LOGITS = np.array([[3.0, 1.0, 0.0, 0.5], [1.0, 0.9, 1.1, 0.8], [-1.0, -1.2, -1.1, 4.0]], dtype=np.float32)
OOS = 3
INSIDE = LOGITS[:, :3].astype(np.float64)
EXPECTED = {
    "energy": logsumexp(INSIDE, axis=1),
    "max_probability": softmax(INSIDE / 2, axis=1).max(axis=1),
    "margin": np.array([2.0, 0.1, 0.1]),
    "bias": np.array([2.5, 0.3, -5.0]),
    "odds": logsumexp(INSIDE, axis=1),  # with no weight
}


def test_without_a_rule_the_answer_is_the_largest_logit_and_its_softmax_probability() -> None:
    labels, scores, abstained = Rule(oos=OOS).answer(LOGITS)
    assert labels.tolist() == [0, 2, 3] and not abstained.any() and Rule(oos=OOS).plain
    np.testing.assert_allclose(scores, softmax(LOGITS.astype(np.float64), axis=1).max(axis=1))


def test_a_temperature_changes_scores_and_no_answer() -> None:
    labels, scores, _ = Rule(temperature=2.0).answer(LOGITS)
    assert labels.tolist() == [0, 2, 3] and not Rule(temperature=2.0).plain
    np.testing.assert_allclose(scores, softmax(LOGITS.astype(np.float64) / 2, axis=1).max(axis=1))


@pytest.mark.parametrize("oos_score", OOS_SCORES)
def test_a_text_whose_score_is_below_the_threshold_is_out_of_scope_others_get_the_best_label(
    oos_score: str,
) -> None:
    rule = Rule(2.0, oos_score, oos=OOS)
    np.testing.assert_allclose(rule.oos_scores(LOGITS), EXPECTED[oos_score], atol=1e-6)
    threshold = float(EXPECTED[oos_score][1]) + 0.01
    labels, scores, abstained = replace(rule, threshold=threshold).answer(LOGITS)
    assert abstained.tolist() == (EXPECTED[oos_score] < threshold).tolist() and not abstained[0] and abstained[1]
    best = softmax(LOGITS.astype(np.float64) / 2, axis=1)[:, :3].max(axis=1)
    assert labels.tolist() == [0, OOS, OOS if abstained[2] else 0]
    np.testing.assert_allclose(scores, np.where(abstained, 1 - best, best))


@pytest.mark.parametrize(
    ("described", "oos"),
    [({"oos_score": "energy"}, None), ({"oos_score": "luck"}, 1), ({"temperature": 0.0}, 1), ({"colour": "red"}, 1)],
)
def test_what_is_no_rule_is_refused(described: dict[str, Any], oos: int | None) -> None:
    with pytest.raises((ValueError, TypeError)):
        Rule.of(described, oos)


def test_a_rule_survives_being_written_and_read(tmp_path: Path) -> None:
    rule = Rule(1.25, "odds", 0.5, weight=0.75, oos=1)
    Description("onnx", ["a", "b"], 64, oos=1, decision=rule.described()).write(tmp_path)
    assert Description.read(tmp_path).rule == rule
    Description("onnx", ["a", "b"], 64, oos=1).write(tmp_path)
    assert Description.read(tmp_path).rule.plain


def test_odds_take_off_the_out_of_scope_logit_as_often_as_tells_texts_apart_best() -> None:
    energies = Rule(oos_score="energy", oos=OOS).oos_scores(LOGITS)
    np.testing.assert_allclose(
        Rule(oos_score="odds", weight=0.5, oos=OOS).oos_scores(LOGITS), energies - 0.5 * LOGITS[:, OOS]
    )

    rng = np.random.default_rng(1)
    outside = np.arange(40_000) < 4_000
    noise, energy = rng.normal(size=40_000), rng.normal(size=40_000) - 2.0 * outside
    assert fit_weight(energy + 0.5 * noise, noise, outside) == pytest.approx(0.5, abs=0.05), (
        "what is noise to one is taken off"
    )
    assert fit_weight(energy, -noise + energy, outside) == pytest.approx(0, abs=0.1)
    assert fit_weight(-energy, noise, outside) == 0 == fit_weight(energy, energy, outside), "no help, no weight"


def test_the_fitted_temperature_is_the_one_that_made_the_logits_too_sure() -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(size=(4000, 6)) * 2
    truth = np.array([rng.choice(6, p=row) for row in softmax(true, axis=1)])
    assert fit_temperature((true * 3).astype(np.float32), truth) == pytest.approx(3, rel=0.06)


def test_the_threshold_is_where_errors_cost_least_by_trying_all() -> None:
    rng = np.random.default_rng(1)
    outside = rng.random(200) < 0.3
    metrics = np.round(rng.normal(size=200) + np.where(outside, -1, 1), 1)  # with ties
    right = ~outside & (rng.random(200) < 0.9)

    def cost(threshold: float, missed: float, wrong: float) -> float:
        abstained = metrics < threshold
        return float(missed * (outside & ~abstained).sum() + wrong * (~outside & (abstained | ~right)).sum())

    tried = np.concatenate([np.unique(metrics) - 0.05, [99.0]])
    for missed, wrong in ((1.0, 1.0), (5.0, 1.0), (1.0, 5.0), (0.0, 1.0), (1.0, 0.0)):
        found = fit_threshold(metrics, outside, right, missed, wrong)
        assert cost(found, missed, wrong) == pytest.approx(min(cost(each, missed, wrong) for each in tried))
    cheap, dear = (fit_threshold(metrics, outside, right, missed, 1.0) for missed in (0.2, 5.0))
    assert cheap < dear, "the dearer a missed one, the more is refused"


def splits_of(test: list[tuple[str, str]], validation: list[tuple[str, str]]) -> Splits:
    import pyarrow as pa

    train = [("play a song", "music"), ("rain", "weather"), ("pizza", "food"), ("no no", "oos")]
    parts = {}
    for name, rows in (("train", train), ("validation", validation), ("test", test)):
        texts, labels = zip(*rows, strict=True)
        parts[name] = RawSplit(pa.table({"text": pa.array(texts, pa.large_string()), "label": pa.array(labels)}), name)
    return assemble(parts, "oos", SplitFractions(0.1, 0.1, 0))


VALIDATION = [
    ("play a song", "music"),
    ("is it sunny", "weather"),
    ("a pizza", "food"),
    ("no no no", "oos"),
    ("it is no", "oos"),
]


class Unreadable:
    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the test split was read: {name}")

    def __getitem__(self, name: str) -> Any:
        raise AssertionError(f"the test split was read: {name}")


def calibrated(tmp_path: Path, name: str, splits: Splits, **settings: Any) -> tuple[Path, dict[str, Any]]:
    source = tmp_path / "source"
    if not source.exists():
        instant.write(source, list(splits.labels))
        replace(Description.read(source), oos=splits.oos).write(source)
    target = tmp_path / name
    target.mkdir()
    notes = Calibrate("calibrate", **settings).make(Context(splits, Backbone("tiny"), 0, source), target, tmp_path)
    return target, notes


def test_a_rule_is_fitted_on_validation_alone_and_the_weights_stay(tmp_path: Path) -> None:
    splits = splits_of([("rain", "weather"), ("no", "oos")], VALIDATION)
    target, notes = calibrated(tmp_path, "one", replace(splits, test=Unreadable(), train=Unreadable()), oos_score="odds")
    rule = Description.read(target).rule
    assert isinstance(rule, Rule)
    assert rule.oos_score == "odds" and rule.oos == splits.oos and rule.temperature > 0
    fitted = {
        "calibrate/temperature": rule.temperature,
        "calibrate/threshold": rule.threshold,
        "calibrate/weight": rule.weight,
    }
    assert notes["metrics"] == fitted
    texts, truth = list(splits.validation["text"]), np.array(splits.validation["label"])
    logits, fold_rules = load(target, 1).logits(texts), Description.read(target).fold_rules
    step = Calibrate("calibrate", oos_score="odds")
    parts = crossfit.without_each_fold(truth)
    assert fold_rules == [step.fit(logits[rows], truth[rows], splits.oos).described() for rows in parts]
    assert (target / "onnx/model.onnx").read_bytes() == (tmp_path / "source" / "onnx/model.onnx").read_bytes()
    assert Description.read(tmp_path / "source").decision is None, "its input stays as it was"


def test_costs_decide_how_much_is_refused(tmp_path: Path) -> None:
    splits = splits_of([("rain", "weather")], VALIDATION)
    never = Description.read(calibrated(tmp_path, "never", splits, missed_cost=0.0)[0]).rule
    always = Description.read(calibrated(tmp_path, "always", splits, wrong_cost=0.0)[0]).rule
    assert isinstance(never, Rule) and isinstance(always, Rule) and never.threshold < always.threshold
    none, notes = calibrated(tmp_path, "none", splits, oos_score="none")
    rule = Description.read(none).rule
    assert isinstance(rule, Rule) and rule.oos_score is None and set(notes["metrics"]) == {"calibrate/temperature"}


def test_without_out_of_scope_texts_in_validation_one_line_says_what_to_do(tmp_path: Path) -> None:
    splits = splits_of([("rain", "weather")], VALIDATION[:3])
    with pytest.raises(OptimizationError, match=r"0 out-of-scope texts of 3.*oos_score=none"):
        calibrated(tmp_path, "target", splits)


def test_nothing_may_follow_a_fitted_rule(compose: Callable[..., Config]) -> None:
    config = compose("optim=baseline", "+step@optim.steps.c=calibrate", "+step@optim.steps.q=quantize_torch_dynamic")
    with pytest.raises(ConfigError, match="quantize_torch_dynamic takes torch, but the step before gives calibrated"):
        check_order(config.optim, config.backbone)


def test_the_description_of_an_older_artifact_has_no_rule(tmp_path: Path) -> None:
    told = {"runtime": "onnx", "labels": ["a", "b"], "max_length": 64, "oos": 1, "pad_id": 0, "format": 1}
    (tmp_path / "classifier.json").write_text(json.dumps(told), encoding="utf-8")
    assert Description.read(tmp_path).rule.plain
