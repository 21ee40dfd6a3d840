"""Several labels a text: the intervals of changes, flips with a test for each label, calibration label by label."""

import numpy as np
import pytest

from pipeline.evaluation.quality import flips
from pipeline.evaluation.quality.calibration import binned, ece_by_chance, ece_of
from pipeline.evaluation.quality.intervals import mcnemar
from pipeline.evaluation.quality.paired import compare, estimate
from pipeline.evaluation.statistics import holm
from pipeline.tasks import TASKS, label_metrics

TASK = TASKS["multi_label"]
LABELS = ["anger", "joy", "love"]


def answers(n: int = 300, wrong: float = 0.1, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, a baseline's answers, and a candidate's, which has more of them wrong."""
    rng = np.random.default_rng(seed)
    truth = rng.random((n, 3)) < [0.4, 0.2, 0.05]
    baseline = truth ^ (rng.random(truth.shape) < wrong)
    return truth, baseline, baseline ^ (rng.random(truth.shape) < wrong)


def test_changes_are_those_of_the_metrics_and_lie_in_their_bounds() -> None:
    truth, baseline, candidate = answers()
    found = compare(baseline, candidate, truth, 3, None, TASK)
    ones = np.ones((1, len(truth)), np.float32)
    old, new = (label_metrics.weighted(ones, each, truth) for each in (baseline, candidate))
    assert set(found.differences) == {"accuracy", "f1_micro", "f1_macro", "f1_samples", "class_recall"}
    for name, change in found.differences.items() - {"class_recall": found.differences["class_recall"]}.items():
        assert change.value == pytest.approx(float(new[name][0] - old[name][0]), abs=1e-6)
        assert change.low < change.value < change.high < 0, "the candidate is clearly worse"
    before, after = (baseline == truth).all(axis=1), (candidate == truth).all(axis=1)
    assert found.flips == {"accuracy": (int((after & ~before).sum()), int((before & ~after).sum()))}
    metrics = found.metrics()
    assert metrics["delta/accuracy_mcnemar_p"] == mcnemar(*found.flips["accuracy"]) < 0.01
    assert metrics["delta/agreement"] == pytest.approx(float((baseline == candidate).all(axis=1).mean()))


def test_without_flips_a_change_has_an_interval_around_zero() -> None:
    truth, baseline, _ = answers()
    for change in compare(baseline, baseline, truth, 3, None, TASK).differences.values():
        assert change.low < change.value == 0 < change.high
    assert all(each.low <= each.value <= each.high for each in estimate(truth, truth, truth.shape[1], None, TASK).values())


def test_the_interval_of_micro_f1_holds_what_it_promises() -> None:
    """Of a population of 4,000 texts 40 samples of 300: about 95 % of the intervals hold its change."""
    truth, baseline, candidate = answers(4000, 0.05, seed=1)
    ones = np.ones((1, 4000), np.float32)
    old, new = (label_metrics.weighted(ones, each, truth)["f1_micro"][0] for each in (baseline, candidate))
    rng, missed = np.random.default_rng(2), 0
    for _ in range(40):
        rows = rng.choice(4000, 300)
        found = compare(baseline[rows], candidate[rows], truth[rows], 3, None, TASK).differences["f1_micro"]
        missed += not found.low <= new - old <= found.high
    assert missed <= 6


def test_each_label_has_a_test_and_holms_correction() -> None:
    truth, baseline, candidate = answers()
    texts = [f"text {number}" for number in range(len(truth))]
    found = flips.find(texts, truth, baseline, candidate, LABELS, TASK)
    counts = TASK.changes_by_label(truth, baseline, candidate, 3)
    corrected = holm([mcnemar(int(gained), int(lost)) for gained, lost in zip(counts.gained, counts.lost, strict=True)])
    assert {each.label: each.p for each in found.classes} == pytest.approx(dict(zip(LABELS, corrected, strict=True)))
    page = flips.markdown(found, "int8", "bert")
    anger = next(each for each in found.classes if each.label == "anger")
    assert f"| anger | {truth[:, 0].sum()} | {anger.lost} | {anger.gained} | {anger.p:.3g} |" in page
    assert anger.change_pp == pytest.approx(100 * (anger.gained - anger.lost) / len(truth))
    assert any(" + " in flip.label for flip in found.flips) and any(flip.candidate == "(none)" for flip in found.flips)


def test_texts_count_as_changed_where_some_of_their_labels_are() -> None:
    truth, half = np.ones((40, 3), dtype=bool), np.ones((40, 3), dtype=bool)
    half[:, 0] = False
    metrics = compare(half, half & ~np.eye(3, dtype=bool)[1], truth, 3, None, TASK).metrics()
    assert (metrics["delta/gained"], metrics["delta/lost"], metrics["delta/changed"]) == (0, 0, 40)
    assert metrics["delta/f1_micro_pp"] == pytest.approx(100 * (2 / 4 - 4 / 5))


def test_a_label_that_no_text_has_is_listed_where_only_the_candidate_gives_it() -> None:
    truth = np.zeros((4, 2), dtype=bool)
    truth[0, 0] = True
    candidate = truth.copy()
    candidate[:3, 1] = True
    (wrong,) = flips.find(list("abcd"), truth, truth, candidate, ["known", "new"], TASK).classes
    assert (wrong.label, wrong.queries, wrong.lost, wrong.change_pp) == ("new", 0, 3, -75.0)


def test_calibration_is_that_of_each_label() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random((500, 3))
    truth = rng.random((500, 3)) < scores
    expected = np.mean([binned(scores[:, label], truth[:, label]).ece for label in range(3)])
    assert ece_of(scores, truth) == pytest.approx(expected) and ece_of(scores, truth) == pytest.approx(
        ece_by_chance(scores), rel=0.5
    )
    assert ece_of(scores**0.2, truth) > 3 * ece_by_chance(scores**0.2)
