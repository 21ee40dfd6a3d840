"""Cross-fitting: who answers what, and that what is judged that way is what new texts show."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.runtimes import crossfit
from pipeline.runtimes.base import Description
from pipeline.runtimes.crossfit import FOLDS, folds_of, selection_optimism
from pipeline.tasks.decision_rule import Rule

LABELS = ["a", "b", "c", "oos"]
PLAIN = Description("onnx", LABELS, 64, oos=3)


def test_folds_are_even_for_each_label_and_always_the_same() -> None:
    truth = np.random.default_rng(0).choice(4, size=203, p=[0.6, 0.2, 0.15, 0.05])
    folds = folds_of(truth)
    counts = np.array([np.bincount(folds[truth == label], minlength=FOLDS) for label in range(4)])
    assert (counts.max(axis=1) - counts.min(axis=1) <= 1).all() and np.ptp(counts.sum(axis=0)) <= 1
    assert np.array_equal(folds, folds_of(truth))
    assert [rows.sum() for rows in crossfit.without_each_fold(truth)] == (203 - np.bincount(folds)).tolist()
    assert all(rows.all() for rows in crossfit.without_each_fold(truth[:1])), "of one text, all there is"


def test_each_text_is_answered_by_the_rule_that_was_fitted_without_it() -> None:
    truth = np.zeros(20, dtype=np.int64)
    rules = [Rule(temperature=fold + 1.0).described() for fold in range(FOLDS)]
    description = replace(PLAIN, fold_rules=rules)
    logits = np.tile(np.array([[2.0, 1.0, 0.0, 0.5]], dtype=np.float32), (20, 1))
    answers = crossfit.answer(description, logits, truth)
    expected = [Rule(temperature=fold + 1.0).answer(logits[:1]).scores[0] for fold in folds_of(truth)]
    np.testing.assert_allclose(answers.scores, expected)
    texts = [f"text {row}" for row in range(20)]
    parts = crossfit.texts_by_fold(description, texts, truth)
    assert sorted(text for some in parts.values() for text in some) == sorted(texts) and len(parts) == FOLDS
    numbered = {fold: np.array([[float(text[5:])] * 4 for text in some]) for fold, some in parts.items()}
    assert crossfit.joined(description, numbered, truth)[:, 0].tolist() == list(range(20))
    assert crossfit.texts_by_fold(PLAIN, texts, truth) == {None: texts}, "nothing was fitted"


def test_the_choice_among_epochs_flatters_and_the_optimism_says_how_much() -> None:
    right = np.zeros((2, 10), dtype=bool)
    right[0, :6], right[1, 5:] = True, True
    folds = folds_of(np.zeros(10, dtype=np.int64))
    chosen = [right[right[:, folds != fold].mean(axis=1).argmax(), folds == fold] for fold in range(FOLDS)]
    assert selection_optimism(right, np.zeros(10, dtype=np.int64)) == pytest.approx(0.6 - np.concatenate(chosen).mean())
    assert selection_optimism(right[:1], np.zeros(10, dtype=np.int64)) == 0
