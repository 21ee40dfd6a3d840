"""Cross-fitting: who answers what, and that what is judged that way is what new texts show."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.runtimes import crossfit
from pipeline.runtimes.base import Description
from pipeline.runtimes.crossfit import FOLDS, folds_of, selection_optimism
from pipeline.runtimes.decision_rule import Rule
from pipeline.steps.calibrate import Calibrate

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


def drawn(rng: np.random.Generator, texts: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits of a mediocre classifier, and the truth; a quarter is out of scope."""
    truth = rng.integers(4, size=texts)
    return (rng.normal(size=(texts, 4)) + 1.2 * np.eye(4)[truth]).astype(np.float32), truth


def test_cross_fitted_accuracy_is_that_of_new_texts_and_the_rules_own_is_too_good() -> None:
    """60 validation texts, 150 times: the rule is judged on its own texts, cross-fitted, and on 2,000 new ones."""
    rng, step, found = np.random.default_rng(1), Calibrate("calibrate", oos_share=None), []
    for _ in range(150):
        logits, truth = drawn(rng, 60)
        rule = step.fit(logits, truth, 3)
        rules = [step.fit(logits[rows], truth[rows], 3).described() for rows in crossfit.without_each_fold(truth)]
        held_out = crossfit.answer(replace(PLAIN, fold_rules=rules), logits, truth).labels == truth
        new, true = drawn(rng, 2000)
        found.append(
            [(rule.answer(logits).labels == truth).mean(), held_out.mean(), (rule.answer(new).labels == true).mean()]
        )
    own, crossfitted, honest = 100 * np.mean(found, axis=0)
    assert own - honest > 2 and abs(crossfitted - honest) < 1.2


def test_the_optimism_is_that_of_new_texts() -> None:
    """Eight epochs that are equally good, 600 texts, of which 4 % change sides from epoch to epoch."""
    rng, found = np.random.default_rng(0), []
    for _ in range(300):
        right = np.tile(rng.random(600) < 0.9, (8, 1))
        noise = rng.random((8, 600)) < 0.02
        right = np.where(noise, rng.random((8, 600)) < 0.9, right)
        found.append([right.mean(axis=1).max() - 0.9, selection_optimism(right, np.zeros(600, dtype=np.int64))])
    true, estimated = 100 * np.mean(found, axis=0)
    assert true > 0.1 and estimated == pytest.approx(true, abs=0.2)
