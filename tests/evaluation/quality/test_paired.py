"""Paired statistics against published worked examples, SciPy, statsmodels and simulation."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest, chi2
from scipy.stats import bootstrap as scipy_bootstrap
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

from pipeline.evaluation.metrics import METRICS
from pipeline.evaluation.quality.intervals import bootstrap, mcnemar, tango, wilson
from pipeline.evaluation.quality.paired import compare, estimate
from pipeline.tasks import TASKS
from pipeline.tasks.scores import quality_of
from pipeline.tasks.weighted import weighted

COUNTS = [(1, 7, 21), (16, 8, 86), (40, 20, 160), (0, 5, 44), (3, 0, 5500), (120, 150, 5500)]  # gained, lost, n


@pytest.mark.parametrize(
    ("counts", "published"),
    [
        ((16, 8, 86), (-0.020, 0.207)),  # Agresti and Min 2005
        ((1, 7, 21), (-0.517, -0.026)),  # Fagerland, Lydersen and Laake 2014
    ],
)
def test_tangos_interval_has_the_published_bounds(counts: tuple[int, int, int], published: tuple[float, float]) -> None:
    interval = tango(*counts)
    assert (round(interval.low, 3), round(interval.high, 3)) == published


def score(delta: float, gained: int, lost: int, n: int) -> float:
    """The squared score statistic, its nuisance parameter found by maximizing the likelihood numerically."""

    def surprise(alone: float) -> float:  # the share that the baseline alone has right
        shares = np.array([alone + delta, alone, 1 - 2 * alone - delta])
        counts = np.array([gained, lost, n - gained - lost])
        return -float((counts[counts > 0] * np.log(np.maximum(shares[counts > 0], 1e-300))).sum())

    found = minimize_scalar(surprise, bounds=(max(0.0, -delta), (1 - delta) / 2), method="bounded", options={"xatol": 1e-14})
    return float((gained - lost - n * delta) ** 2 / (n * (2 * found.x + delta - delta**2)))


@pytest.mark.parametrize("counts", COUNTS)
def test_tangos_bounds_are_where_the_score_statistic_becomes_significant(counts: tuple[int, int, int]) -> None:
    interval = tango(*counts)
    for bound in (interval.low, interval.high):
        assert score(bound, *counts) == pytest.approx(chi2.ppf(0.95, 1), rel=1e-5)
    assert interval.low < interval.value < interval.high


@pytest.mark.parametrize(("gained", "lost", "n"), COUNTS)
def test_mcnemars_test_agrees_with_statsmodels(gained: int, lost: int, n: int) -> None:
    table = [[n - gained - lost, lost], [gained, 0]]
    assert mcnemar(gained, lost) == pytest.approx(statsmodels_mcnemar(table, exact=True).pvalue, rel=1e-6)


def test_where_no_query_differs_nothing_is_significant_and_still_nothing_is_certain() -> None:
    assert mcnemar(0, 0) == 1
    interval = tango(0, 0, 100)
    assert interval.value == 0 and -interval.low == pytest.approx(interval.high) == pytest.approx(0.036993, abs=1e-6)
    answers = np.arange(100) % 5
    differences = compare(answers, answers, answers, 5, None).differences
    assert differences["accuracy"].low < -0.03 and differences["f1_macro"].low < -0.02 < 0.02 < differences["f1_macro"].high


def sample(rng: np.random.Generator, n: int, gained: float, lost: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two classifiers, 90 % right, of five classes, that differ in such shares of the queries."""
    truth = rng.integers(5, size=n)
    wrong, kind = (truth + 1) % 5, rng.random(n)
    both = np.where(rng.random(n) < 0.9, truth, wrong)
    before = np.where(kind < gained, wrong, np.where(kind < gained + lost, truth, both))
    after = np.where(kind < gained, truth, np.where(kind < gained + lost, wrong, both))
    return before, after, truth


@pytest.mark.parametrize("oos", [None, 2])
def test_weights_of_one_give_the_quality_that_is_reported_and_others_that_of_a_resample(oos: int | None) -> None:
    before, _, truth = sample(np.random.default_rng(1), 300, 0.1, 0.1)
    weights = np.stack([np.ones(300), np.random.default_rng(2).integers(0, 3, 300)]).astype(np.float32)
    metrics = weighted(weights, before, truth, 5, oos)
    for row, repeats in enumerate(weights.astype(int)):
        expected = quality_of(np.repeat(before, repeats), np.repeat(truth, repeats), oos)
        assert {name: values[row] for name, values in metrics.items()} == pytest.approx(expected)


def test_the_bootstrap_agrees_with_scipys() -> None:
    before, after, truth = sample(np.random.default_rng(3), 2000, 0.03, 0.05)
    change = (after == truth).astype(float) - (before == truth)
    ours = bootstrap(np.ones(2000, int), lambda weights: {"accuracy": weights @ change / weights.sum(axis=1)})["accuracy"]
    theirs = scipy_bootstrap((change,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(4))
    assert ours.value == pytest.approx(change.mean(), abs=1e-6)
    error = theirs.standard_error
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.15 * error)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.15 * error)


@pytest.mark.parametrize(("successes", "n"), [(20, 20), (0, 7), (81, 263), (4950, 5500)])
def test_wilsons_interval_agrees_with_scipy(successes: int, n: int) -> None:
    theirs = binomtest(successes, n).proportion_ci(method="wilson")
    ours = wilson(successes, n)
    assert [ours.low, ours.high] == pytest.approx([theirs.low, theirs.high], abs=1e-9)


def test_what_is_right_every_time_is_not_certain_to_be() -> None:
    truth = np.array([0, 1, 2, 2] * 5)
    bounds, several = estimate(truth, truth, 3, oos=2), np.eye(3, dtype=bool)[truth]
    assert bounds["oos_recall"].value == 1 and bounds["oos_recall"].low == pytest.approx(0.7225, abs=1e-4)
    assert bounds["oos_precision"].low < 0.75 and bounds["accuracy"].low < 0.85
    qualities = [metric.key for metric in METRICS.values() if metric.key.startswith("quality/") and metric.interval]
    of_several = estimate(several, several, 3, None, TASKS["multi_label"])
    needs_texts = {"quality/class_recall"}  # more of a class than there are here
    assert {f"quality/{name}" for name in (*bounds, *of_several)} == set(qualities) - needs_texts


def test_a_metric_that_one_of_both_lacks_has_no_difference() -> None:
    truth = np.array([0, 1, 2, 2] * 20)
    never, always = np.where(truth == 2, 0, truth), truth
    assert "oos_precision" not in compare(never, always, truth, 3, oos=2).differences
    assert compare(never, always, truth, 3, oos=2).differences["oos_recall"].value == 1


@pytest.mark.parametrize(("gained", "lost", "passes"), [(0.02, 0.03, (0.0, 0.05)), (0.025, 0.025, (0.8, 1.0))])
def test_a_gate_of_one_point_stops_what_is_inferior_and_passes_what_is_equal(
    gained: float, lost: float, passes: tuple[float, float]
) -> None:
    """At n = 5,500; the gate asks that the whole interval is above -0.01."""
    rng = np.random.default_rng(5)
    counts = rng.multinomial(5500, [gained, lost, 1 - gained - lost], size=2000)
    passed = np.mean([tango(int(one), int(other), 5500).low > -0.01 for one, other, _ in counts])
    assert passes[0] <= passed <= passes[1], passed
