"""tf-idf: with many labels it uses fewer features, and says so."""

import json
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

from pipeline.config import Config
from pipeline.runtimes.base import load
from pipeline.runtimes.tfidf import FEATURES, features
from pipeline.steps import tfidf
from pipeline.steps.base import Context
from pipeline.steps.tfidf import Tfidf, parts_of, rows_that_fit
from pipeline.tasks import SINGLE_LABEL
from tests.conftest import small, write_csv


def test_the_weights_have_a_bound_whatever_the_number_of_labels() -> None:
    step = Tfidf(kind="tfidf")
    assert step.features_for(150) == step.features_for(400) == 20_000
    assert step.features_for(2000) * 2000 <= tfidf.MAX_WEIGHTS and step.features_for(10**9) == 1


def test_choosing_a_strength_keeps_the_logits_of_a_part_of_the_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    given, weights, truth = csr_array(random.random((4001, 4))), random.normal(size=(4, 500)), random.integers(0, 500, 4001)
    bias = random.normal(size=500)
    whole = parts_of(SINGLE_LABEL, given, weights, bias, truth)
    monkeypatch.setattr(tfidf, "MAX_LOGITS", 50_000)
    tracemalloc.start()
    found = parts_of(SINGLE_LABEL, given, weights, bias, truth)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (found == whole).all() and found.shape == (4001, 1) and peak < 4001 * 500 * 8 / 8


def test_fewer_features_than_set_are_told_and_the_classifier_still_knows_the_data(
    compose: Callable[..., Config],
    root: Path,
    toy_csv: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    config = compose("optim=tfidf", *small(root, toy_csv))
    splits = config.data.load(0)
    monkeypatch.setattr(tfidf, "MAX_WEIGHTS", 300)
    Tfidf(kind="tfidf", strengths=[10.0]).make(Context(splits, config.backbone, 0), tmp_path, tmp_path)
    assert len(json.loads((tmp_path / FEATURES).read_text(encoding="utf-8"))) == 100
    assert "with 3 labels only the 100 most frequent features are used, not 20000" in caplog.text
    logits = load(tmp_path, threads=1).logits(splits.test["text"])
    assert (logits.argmax(1) == splits.test["label"]).mean() > 0.8


def test_with_balanced_weights_a_rare_class_is_answered_more_often(
    compose: Callable[..., Config], root: Path, tmp_path: Path
) -> None:
    rows = [(f"the song {i}", "b" if i % 6 == 0 else "a") for i in range(240)]
    config = compose("optim=tfidf", *small(root, write_csv(tmp_path / "rare.csv", rows)))
    splits, answers = config.data.load(0), {}
    for weights in ("none", "balanced"):
        (tmp_path / weights).mkdir()
        step = Tfidf(kind="tfidf", strengths=[10.0], class_weights=weights)
        step.make(Context(splits, config.backbone, 0), tmp_path / weights, tmp_path)
        answers[weights] = (load(tmp_path / weights, threads=1).logits(splits.test["text"]).argmax(1) == 1).sum()
    assert answers["balanced"] > answers["none"]


def test_a_long_text_is_cut_in_training_and_serving_and_told(
    compose: Callable[..., Config], root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [(f"text {i} " + "a word " * 10_000 * (i == 0), "ab"[i % 2]) for i in range(60)]
    config = compose("optim=tfidf", *small(root, write_csv(tmp_path / "long.csv", rows)))
    splits = config.data.load(3)
    long = sum(len(text) > 50_000 for text in splits.train["text"])
    Tfidf(kind="tfidf", strengths=[10.0]).make(Context(splits, config.backbone, 0), tmp_path, tmp_path)
    assert (f"{long} of {len(splits.train)} training texts have more than 50000 characters" in caplog.text) == (long == 1)
    classifier = load(tmp_path, threads=1)
    start = time.perf_counter()
    whole = classifier.logits(["a word, and text 1 " * 250_000])
    assert time.perf_counter() - start < 1
    assert (whole == classifier.logits([("a word, and text 1 " * 250_000)[:50_000]])).all()


def test_no_more_texts_than_there_is_memory_for_and_some_of_each_label(
    compose: Callable[..., Config], root: Path, toy_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    labels = np.array([0] * 50 + [1] * 49 + [2])
    assert rows_that_fit(np.full(100, 9), labels, 3).tolist() == list(range(100))
    monkeypatch.setattr(tfidf, "MAX_TRAINING_CHARACTERS", 200)
    few = rows_that_fit(np.full(100, 9), labels, 3)
    assert len(few) == 22 and set(labels[few]) == {0, 1, 2} and (np.diff(few) > 0).all()
    monkeypatch.setattr(tfidf, "MAX_ANSWERS", 30)
    assert len(rows_that_fit(np.full(100, 9), labels, 3)) == 10
    config = compose("optim=tfidf", *small(root, toy_csv))
    splits = config.data.load(0)
    Tfidf(kind="tfidf", strengths=[10.0]).make(Context(splits, config.backbone, 0), tmp_path, tmp_path)
    assert f"tfidf learns from 10 of {len(splits.train)} training texts" in caplog.text
    assert load(tmp_path, threads=1).logits(["rain"]).shape == (1, 3)


def test_words_with_combining_marks_are_whole() -> None:
    assert features("\u0915\u093f")[0] == "\u0915\u093f" != features("\u0915\u093e")[0]  # two vowels of Hindi
    assert features("e\u0301te\u0301")[0] == "e\u0301te\u0301"
