"""The summary: three lines that say what the table shows, and the next command on the same data."""

from dataclasses import replace

import pytest

from pipeline.reporting.summary import command, comparison_lines, run_lines, summary_text
from pipeline.reporting.tables import table
from tests.reporting.test_tables import row, speedup

BASELINE = row("bert", delta__speedup=1.0, delta__size_ratio=1.0)
SMALL = row("small", 0.85, 3.0, 10.0, **speedup(4.0, 3.5, 4.5), delta__size_ratio=8.0, delta__accuracy_pp=-5.0)
BOUNDS = {"delta/accuracy_pp_low": -2.0, "delta/accuracy_pp_high": 0.0}
QUICK = row("quick", 0.89, 2.0, 40.0, **speedup(5.0, 4.8, 5.2), delta__size_ratio=2.0, delta__accuracy_pp=-1.0)
FAST = replace(QUICK, verdict="faster", metrics=QUICK.metrics | BOUNDS)


def test_one_optimization_is_told_against_the_baseline() -> None:
    assert run_lines(FAST, [FAST, BASELINE]) == [
        "speed: quick is 5.00x [4.80, 5.20] as fast as bert (faster, these weights)",
        "size: 40.0 MB; bert is 2.00x as large",
        "accuracy: 89.0 %, -1.0 [-2.0, 0.0] pp compared with bert (these weights)",
    ]
    assert run_lines(BASELINE, [BASELINE]) == [] and comparison_lines([BASELINE]) == []


def test_of_several_labels_micro_f1_ranks() -> None:
    several = {"quality/f1_micro": 0.6, "delta/f1_micro_pp": -2.0}
    slow, quick = replace(BASELINE, metrics=BASELINE.metrics | several), replace(FAST, metrics=FAST.metrics | several)
    assert run_lines(quick, [quick, slow])[-1] == "micro F1: 60.0 %, -2.0 pp compared with bert (these weights)"
    assert comparison_lines([slow, quick])[-1] == "micro F1 compared with bert (these weights): quick -2.0 pp"


def test_of_many_the_fastest_the_smallest_and_their_cost_are_told() -> None:
    assert comparison_lines([BASELINE, SMALL, FAST]) == [
        "fastest: quick, 5.00x [4.80, 5.20] as fast as bert (these weights)",
        "smallest: small, 10.0 MB; bert is 8.00x as large",
        "accuracy compared with bert (these weights): quick -1.0 [-2.0, 0.0] pp, small -5.0 pp",
    ]


def test_those_that_are_about_as_fast_are_named_and_intervals_that_overlap_say_nothing() -> None:
    near, overlaps = row("near", **speedup(4.9, 4.7, 5.1)), row("overlaps", **speedup(4.7, 4.5, 5.0))
    first = comparison_lines([BASELINE, near, FAST, overlaps, SMALL])[0]
    assert first.endswith(" (these weights); within 3 % of it: near (decide compares them with each other)")


def test_a_speedup_without_an_interval_is_neither_the_fastest_nor_as_fast() -> None:
    unknown = [row("two", delta__speedup=2.0), row("close", delta__speedup=4.99), row("lucky", delta__speedup=50.0)]
    told = "fastest: quick, 5.00x [4.80, 5.20] as fast as bert (these weights)"
    assert comparison_lines([BASELINE, FAST, *unknown])[0] == told
    assert comparison_lines([BASELINE, *unknown])[0].startswith("fastest: lucky, 50.00x as fast")


def test_the_summary_has_what_the_columns_mean_only_where_it_is_given() -> None:
    made = table([BASELINE, FAST])
    short = summary_text(made, ["one line"], plot="a.png", MLflow="", next="python -m pipeline decide")
    assert short == f"\n{made.plain()}\n\none line\n\nplot:    a.png\nnext:    python -m pipeline decide"
    assert "\n\n- what it means\n\nplot: " in summary_text(made, [], "- what it means", plot="a.png")


@pytest.mark.parametrize(
    ("typed", "given"),
    [
        ("-m optim=a,b seed=1", "python -m pipeline decide"),
        ("optim=a data=files data.train=my.csv", "python -m pipeline decide data=files data.train=my.csv"),
        ("track.uri=http://ada:secret@example.org", "python -m pipeline decide track.uri=http://example.org"),
        ("data.columns=[a,b]", "python -m pipeline decide 'data.columns=[a,b]'"),
        ("-m data=quickstart,clinc150", ""),
    ],
)  # fmt: skip
def test_the_next_command_is_on_the_same_data(typed: str, given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["pipeline", *typed.split()])
    assert command("decide") == given
