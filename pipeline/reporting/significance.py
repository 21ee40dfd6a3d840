"""Which differences of a table are significant alone but not as one of many rows (Holm's correction, column by column)."""

from collections.abc import Callable, Sequence

from pipeline.evaluation.metrics import METRICS
from pipeline.evaluation.rows import Row
from pipeline.evaluation.statistics import CONFIDENCE, FASTER, SLOWER, holm, p_value_of

VERDICT, CHANGE = "verdict", METRICS["delta/accuracy_pp"].title  # the titles of the two columns
MARK = "°"


def _of_accuracy(row: Row) -> float | None:
    """The p-value of McNemar's test; None for a mean over seeds, whose runs have one each."""
    return row.metrics.get("delta/accuracy_mcnemar_p") if row.count == 1 else None


def _of_speed(row: Row) -> float | None:
    """The p-value of the speed-up, whatever the verdict; None where it has no interval."""
    ratio, pairs = row.interval(), int(row.metrics.get("delta/pairs", 0))
    return p_value_of(ratio, pairs) if ratio is not None and pairs > 1 else None


TESTS: dict[str, Callable[[Row], float | None]] = {CHANGE: _of_accuracy, VERDICT: _of_speed}


def maybe_chance(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """By title of the column: the rows that are significant alone, but not with all others of the table.

    All rows that were tested count, also those without a difference. A verdict that claims none is not marked.
    """
    found, level = dict[str, list[Row]](), 1 - CONFIDENCE
    for title, test in TESTS.items():
        known = [(row, p) for row in rows if not row.is_baseline and (p := test(row)) is not None]
        corrected = holm([p for _, p in known])
        doubtful = [row for (row, p), all_p in zip(known, corrected, strict=True) if p < level <= all_p]
        if title == VERDICT:
            doubtful = [row for row in doubtful if row.verdict in (FASTER, SLOWER)]
        found |= {title: doubtful} if doubtful else {}
    return found
