"""A cascade: who answers what, how sure the cheap one must be, and that it costs nothing on validation."""

import json
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ConfigError
from pipeline.reporting.plots.cascade import draw
from pipeline.runtimes.base import Description, load, packages_of
from pipeline.runtimes.cascade import log_probabilities
from pipeline.steps import cascade
from pipeline.steps.base import Context
from pipeline.steps.cascade import Cascade, fit_threshold, threshold_curve
from pipeline.steps.execute import StepsResult, check_order, run_steps
from pipeline.steps.store import Store
from pipeline.tasks.decision_rule import Rule
from tests.conftest import composed, small, write_csv

CASCADE = "optim.steps.cascade"


def test_the_answer_of_a_rule_is_the_largest_log_probability_and_has_its_score() -> None:
    logits = np.random.default_rng(0).normal(size=(300, 6)).astype(np.float32) * 3
    for rule in (Rule(), Rule(1.7), Rule(0.8, "energy", 4.0, oos=2), Rule(1.3, "margin", 0.5, oos=5)):
        expected = rule.answer(logits)
        thought = log_probabilities(logits, rule)
        assert np.array_equal(thought.argmax(axis=1), expected.labels)
        probabilities = np.exp(thought - thought.max(axis=1, keepdims=True))
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        scores = probabilities[np.arange(len(logits)), expected.labels]
        largest = expected.scores > 0.5  # else another label may have had more, and must not have
        assert np.allclose(scores[largest], expected.scores[largest], atol=1e-5) and (~expected.abstained).any()


EVEN = np.full(5, 0.2)  # what each of five texts counts


def test_the_threshold_is_the_lowest_at_which_no_more_than_the_loss_is_lost() -> None:
    sure = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    cheap = np.array([True, True, False, True, False])
    better = np.array([True, True, True, False, True])
    assert fit_threshold(sure, cheap, better, 0.0, EVEN) == pytest.approx(0.55)  # one lost at 0.7, one gained at 0.6
    assert fit_threshold(sure, cheap, better, 0.2, EVEN) == pytest.approx(0.25)  # all: one of five is lost
    assert fit_threshold(sure, ~better, better, 0.0, EVEN) == 2.0
    assert fit_threshold(np.full(5, 0.5), cheap, better, 0.0, EVEN) == 2.0  # equal scores can't be told apart
    assert fit_threshold(np.zeros(5), better, better, 0.0, EVEN) == 2.0  # it took them all as out of scope
    dear = np.array([0.1, 0.1, 0.5, 0.1, 0.2])  # the text that is lost at 0.7 counts more than the one that is gained at 0.6
    assert fit_threshold(sure, cheap, better, 0.0, dear) == pytest.approx(0.75)


def test_the_curve_goes_from_the_cheap_one_alone_to_both_for_each_text() -> None:
    sure, cheap, better = np.array([0.9, 0.4]), np.array([True, False]), np.array([True, True])
    curve = threshold_curve(sure, cheap, better, {"cheap": 0.001, "better": 0.010}, np.full(2, 0.5))
    assert curve[0]["answered_cheaply"] == 1.0 and curve[0]["validation_accuracy"] == 0.5
    assert curve[0]["latency_ms"] == pytest.approx(1.0)
    assert curve[-1]["answered_cheaply"] == 0.0 and curve[-1]["latency_ms"] == pytest.approx(11.0)
    heavier = threshold_curve(sure, cheap, better, {"cheap": 0.001, "better": 0.010}, np.array([0.75, 0.25]))
    assert heavier[0]["validation_accuracy"] == 0.75 and heavier[1]["answered_cheaply"] == 0.75
    assert heavier[1]["latency_ms"] == pytest.approx(1.0 + 0.25 * 10.0)
    alone = {"latency_ms": 10.0, "validation_accuracy": 1.0}
    figure = draw({"names": ["tfidf", "bert"], "curve": curve, "answered_cheaply": 0.5, "alone": alone})
    (axes,) = figure.axes
    assert {text.get_text() for text in axes.texts} == {"only tfidf", "only bert", "both for every text"}
    assert len(axes.lines[0].get_xdata()) == len(curve)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, toy_rows: list[tuple[str, str]]) -> tuple[StepsResult, Context]:
    """tfidf answers what it is sure of, a tiny network the rest."""
    root = tmp_path_factory.mktemp("cascade")
    optims = [f"optim@{CASCADE}.cheap=tfidf", f"optim@{CASCADE}.better=baseline_onnx"]
    data = small(root, write_csv(root / "toy.csv", toy_rows))
    config = composed("optim=cascade", *data, *optims, f"{CASCADE}.loss=0.2")
    check_order(config.optim, config.backbone)
    context = Context(config.data.load(0), config.backbone, 0)
    return run_steps(config.optim, context, Store(root)), context


@pytest.mark.slow
def test_the_cheap_one_answers_what_it_is_sure_of_and_the_better_one_the_rest(
    made: tuple[StepsResult, Context], tmp_path: Path
) -> None:
    artifact, context = Path(shutil.copytree(made[0].artifact, tmp_path / "copy")), made[1]
    texts = [*context.splits.test["text"], "zzz"]
    cheap = load(artifact / "cheap", 1).logits(texts)
    threshold = float(np.median(Description.read(artifact / "cheap").rule.answer(cheap).scores))
    thresholds = {"threshold": threshold, "fold_thresholds": [2.0, threshold, 0.0, 0.0, 0.0]}
    fitted = json.loads((artifact / "cascade.json").read_text())
    assert len(fitted["fold_thresholds"]) == len(Description.read(artifact).fold_rules or ()) == 5
    (artifact / "cascade.json").write_text(json.dumps(thresholds))  # the tiny network is never the better one
    classifier = load(artifact, 1)
    parts = {name: load(artifact / name, 1) for name in ("cheap", "better")}
    rules = {name: Description.read(artifact / name).rule for name in parts}
    answers = {name: rules[name].answer(part.logits(texts)) for name, part in parts.items()}
    sure = answers["cheap"].scores >= threshold
    assert 0 < sure.sum() < len(texts)
    expected = np.where(sure, answers["cheap"].labels, answers["better"].labels)
    assert np.array_equal(classifier.logits(texts).argmax(axis=1), expected)
    without = [classifier.of_fold(fold).logits(texts).argmax(axis=1) for fold in range(3)]
    assert np.array_equal(without[0], answers["better"].labels) and np.array_equal(without[1], expected)
    assert np.array_equal(without[2], answers["cheap"].labels)
    one_by_one = np.concatenate([classifier.forward(*classifier.encode([text])) for text in texts])
    assert np.array_equal(one_by_one.argmax(axis=1), expected)
    assert packages_of(artifact) == ("numpy", "safetensors", "tokenizers", "onnxruntime")


def test_a_cascade_without_a_part_is_one_line() -> None:
    with pytest.raises(ConfigError, match="a cascade has no cheap classifier"):
        Cascade("cascade").needs(None)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_damaged_cascade_is_an_error_that_says_where(made: tuple[StepsResult, Context], tmp_path: Path) -> None:
    copy = Path(shutil.copytree(made[0].artifact, tmp_path / "copy"))
    (copy / "cascade.json").write_text("{}")
    with pytest.raises(ValueError, match="the classifier can't be read"):
        load(copy, 1)
    shutil.rmtree(copy / "cheap")
    with pytest.raises(FileNotFoundError, match="incomplete"):
        load(copy, 1)


def test_the_time_of_each_is_the_mean_of_its_calls_not_their_median(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow:
        """Most texts take no time, a few take 20 ms."""

        def logits(self, texts: list[str]) -> None:
            time.sleep(0.02 if texts == ["long"] else 0)

    monkeypatch.setattr(cascade, "load", lambda artifact, threads: Slow())
    assert cascade._mean_latency(Path("any"), ["short"] * 12 + ["long"] * 4) >= 4 * 0.02 / 16
