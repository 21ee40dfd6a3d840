"""What a table marks as maybe chance: differences that are significant alone, but not as one of many."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp
from statsmodels.stats.multitest import multipletests

from pipeline.evaluation.rows import Row
from pipeline.evaluation.statistics import holm, p_value_of, ratio_interval, verdict
from pipeline.reporting.significance import maybe_chance
from pipeline.reporting.tables import ONE_SEED, table

P_VALUES = [0.03, 0.0001, 0.6, 0.012, 0.04, 0.0001]
SHARED = {"latency/mean_ms": 2.0, "size/mb": 10.0, "quality/accuracy": 0.9, "delta/pairs": 6.0}


def test_holms_correction_agrees_with_statsmodels() -> None:
    assert holm(P_VALUES) == pytest.approx(multipletests(P_VALUES, method="holm")[1])
    assert holm([]) == [] and holm([0.04]) == [0.04]


def test_the_p_value_of_a_speedup_is_that_of_the_t_test_of_its_pairs() -> None:
    ratios = np.log([1.01, 1.03, 0.99, 1.02, 1.04, 1.01])
    assert p_value_of(ratio_interval(ratios), 6) == pytest.approx(ttest_1samp(ratios, 0).pvalue)


def row(name: str, p: float, logs: tuple[float, ...]) -> Row:
    speed = ratio_interval(np.array(logs))
    more = {"delta/speedup": speed.value, "delta/speedup_low": speed.low, "delta/speedup_high": speed.high}
    changed = {"delta/accuracy_pp": -1.0, "delta/accuracy_pp_low": -1.9, "delta/accuracy_pp_high": -0.1}
    return Row(name, {**SHARED, **more, **changed, "delta/accuracy_mcnemar_p": p}, verdict=verdict(speed, 0.02))


CLEAR = (0.7, 0.71, 0.72)  # log ratios
BASELINE = Row("bert", SHARED | {"delta/accuracy_pp": 0.0, "delta/speedup": 1.0}, is_baseline=True)


def test_a_table_marks_what_one_of_many_rows_may_be_by_chance() -> None:
    rows = [BASELINE, *(row(f"row {i}", p, CLEAR) for i, p in enumerate((0.02, 0.0001, 0.5)))]
    assert {title: [one.name for one in found] for title, found in maybe_chance(rows).items()} == {}
    rows = [BASELINE, *(row(f"row {i}", p, CLEAR) for i, p in enumerate((0.03, 0.04, 0.5)))]
    assert [one.name for one in maybe_chance(rows)["change pp"]] == ["row 0", "row 1"]
    written = table(rows)
    marked = [line[written.cells[0].index("change pp")] for line in written.cells[1:]]
    assert sum("°" in cell for cell in marked) == 2 and any("Holm" in note for note in written.notes)
    alone = table([BASELINE, row("row 0", 0.03, CLEAR)])
    assert not any("°" in cell for line in alone.cells for cell in line), "a single comparison needs no correction"


def test_a_verdict_that_may_be_chance_is_marked_too() -> None:
    narrow = (0.01, 0.05, 0.03, 0.06, -0.005, 0.04)
    assert ttest_1samp(narrow, 0).pvalue < 0.05
    rows = [BASELINE, *(row(f"row {i}", 0.5, narrow) for i in range(3))]
    found = maybe_chance(rows)["verdict"]
    assert len(found) == 3 and found[0].verdict == "faster"


def test_rows_without_a_difference_count_among_those_that_were_tested() -> None:
    narrow = (0.01, 0.05, 0.03, 0.06, -0.005, 0.04)
    equal = [row(f"equal {i}", 0.5, (0.03, -0.03, 0.02, -0.02, 0.04, -0.03)) for i in range(5)]
    assert {one.verdict for one in equal} == {"inconclusive"} and "verdict" not in maybe_chance([row("x", 0.5, narrow)])
    assert [one.name for one in maybe_chance([BASELINE, row("x", 0.5, narrow), *equal])["verdict"]] == ["x"]


def test_of_rows_that_are_all_equal_few_tables_call_one_faster_without_a_mark() -> None:
    rng, wrong, tables = np.random.default_rng(0), 0, 300
    for _ in range(tables):
        rows = [row(f"row {i}", 0.5, tuple(rng.normal(0, 0.05, 6))) for i in range(20)]
        marked = maybe_chance(rows).get("verdict", [])
        wrong += any(one.verdict in ("faster", "slower") and one not in marked for one in rows)
    assert wrong / tables <= 0.08, "5 % in the long run; 64 % without the correction"


def test_a_table_says_that_one_training_tells_about_these_weights() -> None:
    one = row("row", 0.5, CLEAR)
    assert ONE_SEED in table([BASELINE, one]).notes and "these weights" in ONE_SEED
    several = Row("row", one.metrics, std={"quality/accuracy": 0.01}, count=3)
    assert ONE_SEED not in table([BASELINE, several]).notes
