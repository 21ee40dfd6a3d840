"""Rows of a comparison -> the table (terminal, Markdown, CSV) and its files, plots included; no model is seen here."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pipeline.evaluation import metrics
from pipeline.evaluation.metrics import BOUNDS, Metric
from pipeline.evaluation.rows import Row, order

CURVES = ("training/", "profile/")  # of these a run has many values
MAX_WIDTH = 160  # characters, for a terminal
VERDICT, AFTER = "verdict", "delta/speedup_p95"  # the one column that is no metric, and which one it follows


@dataclass(frozen=True)
class Column:
    """One column: its title, how it shows a row, and its turn to be left out where the table is too wide; 0: never."""

    title: str
    text: Callable[[Row], str]  # "-" where the row has nothing to show
    dropped: int = 0


def columns() -> list[Column]:
    """All columns that the metrics declare, in their order, and the verdict."""
    found = []
    for metric in metrics.columns():
        found.append(Column(metric.title, partial(cell, metric), metric.drop_order))
        if metric.key == AFTER:
            found.append(Column(VERDICT, lambda row: row.verdict or "-"))
    return found


def cell(metric: Metric, row: Row) -> str:
    """A metric as the table shows it: in its unit, with its spread over seeds; a comparison with the bounds that it has."""
    value = row.metrics.get(metric.key)
    if metric.unit == "x":
        return row.ratio(metric.key)
    if value is None:
        return "-"
    shown = f"{value * metric.scale:.{metric.decimals}f}"
    if metric.key in row.std:
        return f"{shown} ±{row.std[metric.key] * metric.scale:.{metric.decimals}f}"
    low, high = (row.metrics.get(metric.key + bound) for bound in BOUNDS)
    if not metric.compared or low is None or high is None:
        return shown
    return f"{shown} [{low * metric.scale:.{metric.decimals}f}, {high * metric.scale:.{metric.decimals}f}]"


def least_news() -> list[str]:
    """Titles of the columns that may be left out, the first to go first."""
    return [column.title for column in sorted(columns(), key=lambda column: column.dropped) if column.dropped]


def most_news_first(titles: Sequence[str]) -> list[str]:
    """Where not all columns are seen at once: those first that would be left out last."""
    turns = least_news()
    return sorted(titles, key=lambda title: -turns.index(title) if title in turns else -len(turns))


@dataclass(frozen=True)
class Table:
    """A comparison as cells of text: `cells[0]` are the titles; `notes` are lines below it."""

    cells: list[list[str]]
    notes: tuple[str, ...] = ()

    def plain(self) -> str:
        """For a terminal: columns aligned, those with the least news left out where it would be too wide."""
        kept, dropped = list(range(len(self.cells[0]))), []
        widths = [max(len(row[i]) for row in self.cells) for i in kept]
        for title in least_news():
            if sum(widths[i] + 2 for i in kept) - 2 > MAX_WIDTH and title in self.cells[0]:
                kept.remove(self.cells[0].index(title))
                dropped.append(title)
        lines = []
        for row in self.cells:
            aligned = [row[i].rjust(widths[i]) for i in kept[1:]]
            lines.append("  ".join([row[0].ljust(widths[0]), *aligned]))
        lines.insert(1, "-" * len(lines[0]))
        more = [f"not shown here, but in comparison.md: {', '.join(dropped)}"] if dropped else []
        return "\n".join([*lines, *self.notes, *more])

    def markdown(self) -> str:
        """For a run's description or a README."""
        rows = ["| " + " | ".join(row) + " |" for row in self.cells]
        rows.insert(1, "| --- |" + " ---: |" * (len(self.cells[0]) - 1))
        return "\n".join([*rows, *(f"\n{note}" for note in self.notes)])


def table(rows: Sequence[Row], missing: Sequence[str] = ()) -> Table:
    """Baseline first (marked *), then from the slowest to the fastest; columns that no row has are left out.

    What was measured on a busy machine is marked !, what was measured before =, with a note. `missing` names what should be
    there and is not: last, with empty cells.
    """
    shown = [column for column in columns() if any(column.text(row) != "-" for row in rows)]
    body = [[row.name + _marks(row), *(column.text(row) for column in shown)] for row in order(rows)]
    absent = [[name, *("-" for _ in shown)] for name in missing]
    notes = [f"! {row.name}: {row.contended}" for row in order(rows) if row.contended]
    before = [f"{row.name} ({row.measured_at})" for row in order(rows) if row.measured_at]
    if before:
        notes.append(f"= measured before, and reused: {', '.join(before)}; measure.again=true measures anew")
    return Table([["optimization", *(column.title for column in shown)], *body, *absent], tuple(notes))


def _marks(row: Row) -> str:
    marks = {"*": row.is_baseline, "!": row.contended, "=": row.measured_at}
    return "".join(f" {mark}" for mark, applies in marks.items() if applies)


def to_csv(rows: Sequence[Row]) -> str:
    """Every metric in full precision, by its name in MLflow, but for points of curves; one line an optimization."""
    keys = sorted({key for row in rows for key in row.metrics if not key.startswith(CURVES)})
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["optim", "settings", "runs", "run_id", "verdict", "contended", *keys])
    for row in order(rows):
        values = (row.metrics.get(key, "") for key in keys)
        writer.writerow([row.optim, row.settings, row.count, row.run_id, row.verdict, row.contended, *values])
    return file.getvalue()


def write(
    rows: Sequence[Row], current: str | None, title: str, folder: Path, explained: str, missing: Sequence[str] = ()
) -> Table:
    """Write comparison.png, .svg, .md, .csv and speedup.png, .svg; the optimization `current` gets the ring.

    `explained` is what the metrics mean (see `pipeline.reporting.noise_floor.explained`).
    """
    from pipeline.reporting.plots import speedup, tradeoff

    folder.mkdir(parents=True, exist_ok=True)
    made = table(rows, missing)
    tradeoff.save(order(rows), current, title, folder)
    speedup.save(rows, title, folder)
    (folder / "comparison.md").write_text(f"{made.markdown()}\n\n{explained}\n", encoding="utf-8")
    (folder / "comparison.csv").write_text(to_csv(rows), encoding="utf-8")
    return made
