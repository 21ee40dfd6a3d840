"""What follows from the pairs of a noise run: metrics, a table, words, a plot; no classifier runs."""

import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from scipy import stats

from pipeline.config import Measure
from pipeline.evaluation.latency.samples import Pair, Samples
from pipeline.evaluation.noise.repeat import Repetition
from pipeline.evaluation.noise.sessions import between_sessions
from pipeline.evaluation.noise.summary import Findings
from pipeline.reporting.noise_words import conclusion, legend, table
from pipeline.reporting.plots import noise
from pipeline.system.machine import Conditions

QUIET = Conditions(0.1, 0.1, 0.1, 0.0, 20.0, 0.004)


def pair(log_ratio: float, first: bool, elapsed_s: float) -> Pair:
    def one(ms: float) -> Samples:
        return Samples(np.array([ms]), np.zeros(1), np.ones(1, dtype=np.int64), ())

    return Pair(one(float(np.exp(-log_ratio))), one(1.0), first, elapsed_s)


def findings(count: int, pairs: int, slowdown: float = 0.0, noise: float = 0.0085, order: float = 0.004) -> Findings:
    """So many repetitions of pairs that take 2 s each."""
    rng = np.random.default_rng(count)
    repetitions = [
        Repetition(
            tuple(
                pair(
                    -np.log1p(slowdown) + (-order if i % 2 == 0 else order) + rng.normal(0, noise), i % 2 == 0, 2.0 * (i + 1)
                )
                for i in range(pairs)
            ),
            QUIET,
        )
        for _ in range(count)
    ]
    return Findings("bert", Measure(max_seconds=2.0 * pairs + 1), slowdown, tuple(repetitions))


def test_it_finds_the_noise_that_is_in_the_pairs() -> None:
    metrics = findings(200, 10, slowdown=0.05).metrics()
    assert metrics["noise/between_pairs_sd"] == pytest.approx(0.0085, rel=0.05)
    assert metrics["noise/order_effect_low"] < np.expm1(0.004) < metrics["noise/order_effect_high"]
    assert metrics["noise/bias_percent"] == pytest.approx(0, abs=0.1)  # the slowdown itself is none
    assert metrics["noise/slower_count"] >= 198 and metrics["noise/parent_cpu"] == pytest.approx(0.004)


@pytest.mark.parametrize("pairs", [3, 7])
def test_the_order_effect_is_free_of_the_slowdown_and_of_how_often_each_order_came(pairs: int) -> None:
    given = findings(50, pairs, slowdown=0.2, noise=0.001)  # with 3 pairs, the candidate started first in two of three
    assert given.order_effect().value - 1 == pytest.approx(np.expm1(0.004), abs=3e-4)
    assert given.metrics()["noise/bias_percent"] == pytest.approx(0, abs=0.05)


def sessions(count: int, sd: float, noise: float = 0.0085) -> list[np.ndarray]:
    """Log ratios of sessions of 6 pairs, of a candidate that is 3 times as fast as the baseline."""
    rng = np.random.default_rng(count)
    return [np.log(3) + sd * rng.normal() + noise * rng.normal(size=6) for _ in range(count)]


@pytest.mark.parametrize("sd", [0.0, 0.005])
def test_the_variation_between_sessions_is_found_with_what_the_intervals_leave_out(sd: float) -> None:
    found = between_sessions(sessions(2000, sd))
    assert found is not None and found.sd == pytest.approx(sd, abs=0.0007) and found.sd <= found.sd_high < sd + 0.002
    widening = np.sqrt(1 + sd**2 / (0.0085**2 / 6))
    missed = 2 * stats.t.sf(stats.t.ppf(0.975, 5) / widening, 5)  # 5 % without variation between sessions, 20 % with 0.5 %
    assert found.widening == pytest.approx(widening, rel=0.05)
    assert found.missed / found.sessions == pytest.approx(missed, abs=0.02)


def test_few_sessions_have_a_wide_upper_bound_and_two_none_at_all() -> None:
    few = between_sessions(sessions(4, 0.005))
    assert few is not None and few.sd_high > 0.008 and between_sessions(sessions(2, 0.005)) is None


def test_it_is_told_what_a_model_against_itself_cannot_show() -> None:
    alone = findings(3, 8)
    assert "not known: a model against itself can't show it" in conclusion(alone)
    repetitions = tuple(
        Repetition(tuple(pair(value, i % 2 == 0, i + 1.0) for i, value in enumerate(session)), QUIET)
        for session in sessions(3, 0.05)
    )
    both = replace(alone, baseline="base", against_baseline=repetitions)
    assert "Measured against the baseline (base) 3 times, the speed-up varied from session to session by" in conclusion(both)
    assert both.metrics()["noise/between_sessions_sd"] > 0.01 and "noise/between_sessions_sd" not in alone.metrics()
    assert "three measurements against the baseline (base) are needed" in conclusion(
        replace(both, repetitions=alone.repetitions[:2], against_baseline=repetitions[:2])
    )


def test_an_ordinary_measurement_would_have_stopped_earlier() -> None:
    precise = findings(20, 12, noise=0.002)
    assert {len(pairs) for pairs in precise.ordinary_pairs} == {6} and precise.as_configured.seconds == 12
    noisy = findings(20, 12, noise=0.2)
    assert {len(pairs) for pairs in noisy.ordinary_pairs} == {12}
    assert [budget.pairs for budget in noisy.by_pair_count] == list(range(3, 13))
    assert noisy.by_pair_count[-1].width < noisy.by_pair_count[1].width


def test_the_table_has_a_line_a_budget_and_one_as_configured() -> None:
    titles, *rows = table(findings(10, 30)).cells
    assert titles == ["stopped after", "pairs", "median width", "excludes 1"] and 5 < len(rows) <= 13
    assert rows[-2][:2] == ["60.0 s", "30"] and rows[-1][:2] == ["3 % or 61 s *", "6"] and rows[-1][3].endswith("of 10")
    assert "61 s (measure.max_seconds)" in legend(findings(10, 30))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (findings(200, 8), "That is as expected"),
        (findings(3, 8), "too few repetitions for a firm conclusion"),
        (findings(40, 8, slowdown=0.05), "made slower by 5 % on purpose. The verdict was slower in 40 of 40"),
        (Findings("bert", Measure(max_seconds=17), 0, findings(40, 8, slowdown=0.02).repetitions), "That is too often"),
    ],
    ids=["fits", "few", "slowed", "too often"],
)
def test_the_conclusion_says_it_in_plain_words(given: Findings, words: str) -> None:
    assert words in conclusion(given) and "differences below" in conclusion(given) and "busy" not in conclusion(given)


def test_a_busy_machine_is_told() -> None:
    busy = Conditions(2.0, 1.0, 1.0, 0.0, 20.0, 0.004)
    quiet = findings(4, 6)
    given = Findings("bert", quiet.settings, 0, (*quiet.repetitions, Repetition(quiet.repetitions[0].pairs, busy)))
    assert "In 1 of 5 repetitions the machine was busy" in conclusion(given)
    assert given.metrics()["noise/contended_count"] == 1


@pytest.mark.parametrize("given", [findings(1, 3), findings(20, 8), findings(20, 8, slowdown=0.05)], ids=[1, 20, "slow"])
def test_the_figure_is_written_with_few_and_many_repetitions(given: Findings, tmp_path: Path) -> None:
    noise.save(given, tmp_path)
    assert matplotlib.image.imread(tmp_path / "noise.png").std() > 0.01
    assert ElementTree.parse(tmp_path / "noise.svg").getroot().tag.endswith("svg")
    every, width, share = noise.draw(given).axes
    assert sum(len(bars[0].get_xdata()) for bars in every.containers) == len(given.repetitions)
    assert np.size(width.lines[0].get_xdata()) == np.size(share.lines[0].get_xdata()) == len(given.by_pair_count)
    assert all(np.isfinite(value) for value in given.metrics().values())
