"""The legend: every sign of the table is explained, and nothing that is not in it."""

from dataclasses import replace

import pytest

from pipeline.evaluation.metrics import METRICS
from pipeline.evaluation.rows import Row, averaged
from pipeline.reporting.legend import VERDICTS, legend, margin_of
from tests.reporting.test_tables import row, speedup

BASELINE = row("bert", delta__speedup=1.0, delta__speedup_p95=1.0)
FAST = replace(row("fast", **speedup(2.0, 1.9, 2.1), delta__margin=0.02), verdict="faster")


def signs(rows: list[Row]) -> list[str]:
    """What is explained, in order."""
    lines = legend(rows).splitlines()
    assert all(line.startswith("- ") and ": " in line and line.endswith(".") for line in lines)
    return [line.removeprefix("- ").partition(":")[0] for line in lines]


def test_a_baseline_alone_needs_no_words_about_ratios() -> None:
    assert signs([BASELINE]) == ["mean ms", "size MB"] and signs([]) == []


def test_only_what_occurs_is_explained() -> None:
    assert signs([BASELINE, FAST]) == ["mean ms", "faster", "size MB", "[low, high]", "verdict faster"]
    slow_calls = replace(FAST, metrics=FAST.metrics | {"delta/speedup_p95": 1.9})
    assert "slow calls" in signs([BASELINE, slow_calls])
    assert signs([BASELINE, row("old", delta__speedup=2.0)]) == ["mean ms", "faster", "size MB", "no brackets"]
    assert signs([BASELINE, replace(FAST, contended="others ran")])[-1] == "!"
    seeds = averaged([replace(FAST, seed=0), replace(FAST, seed=1)])
    assert signs([BASELINE, *seeds]) == ["mean ms", "faster", "size MB", "±"]


@pytest.mark.parametrize("verdict", VERDICTS)
def test_each_verdict_is_explained_where_it_occurs(verdict: str) -> None:
    assert [sign for sign in signs([BASELINE, replace(FAST, verdict=verdict)]) if "verdict" in sign] == [
        f"verdict {verdict}"
    ]


SHOWN_ALREADY = ("latency/mean_ms", "delta/speedup", "size/mb")
MORE = [metric.key for metric in METRICS.values() if metric.explanation and metric.key not in SHOWN_ALREADY]


@pytest.mark.parametrize("key", [*MORE, "delta/accuracy_pp_low"])
def test_columns_that_not_every_machine_has_are_explained_where_they_are_shown(key: str) -> None:
    more = replace(FAST, metrics=FAST.metrics | {key: 1.0})
    assert len(signs([BASELINE, more])) == len(signs([BASELINE, FAST])) + 1


def test_equivalent_is_explained_with_the_margin_that_the_runs_had() -> None:
    same = replace(FAST, verdict="equivalent")
    assert "within 2 % of 1x" in legend([same]) and margin_of([BASELINE, same]) == 0.02
    other = replace(same, metrics=same.metrics | {"delta/margin": 0.05})
    assert "within the margin (measure.margin) of 1x" in legend([same, other]) and margin_of([same, other]) is None
    assert margin_of([BASELINE]) is None
