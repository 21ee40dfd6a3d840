"""Rows of a comparison -> the table (terminal, Markdown, CSV) and its files, with plots. It sees no model."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pipeline.evaluation import metrics
from pipeline.evaluation.metrics import BOUNDS, Metric
from pipeline.evaluation.quality import one_answer
from pipeline.evaluation.rows import Row, order
from pipeline.models import coverage
from pipeline.reporting import significance
from pipeline.reporting.significance import MARK, VERDICT
from pipeline.steps.shared.agreement import MIN_AGREEMENT
from pipeline.system.spreadsheet import safe_cells

CURVES = ("training/", "profile/")  # metrics with many values in a run
MAX_WIDTH = 160  # characters, in a terminal
AFTER = "delta/speedup_p95"  # the metric before the verdict, the only column that is not a metric
AGREEMENT = "quantize/agreement"
ONE_SEED = "one training a row: it tells about these weights; several seeds (-m seed=1,2,3) tell about a method"


@dataclass(frozen=True)
class Column:
    """One column of the table."""

    title: str
    text: Callable[[Row], str]  # the cell of a row; "-" without a value
    drop_order: int = 0  # position in which it is left out where the table is too wide; 0: never


def columns() -> list[Column]:
    """The columns that the metrics declare, in their order, and the verdict."""
    found = []
    for metric in metrics.columns():
        found.append(Column(metric.title, partial(cell, metric), metric.drop_order))
        if metric.key == AFTER:
            found.append(Column(VERDICT, lambda row: row.verdict or "-"))
    return found


def cell(metric: Metric, row: Row) -> str:
    """Cell of a metric: value in its unit, standard deviation over seeds, and bounds of a comparison with the baseline."""
    value = row.metrics.get(metric.key)
    if metric.unit == "x":
        return row.ratio(metric.key)
    if value is None:
        return "-"
    shown = f"{value * metric.scale:.{metric.decimals}f}"
    if metric.key in row.std:
        return f"{shown} ±{row.std[metric.key] * metric.scale:.{metric.decimals}f}"
    if metric.beside in row.metrics:
        return f"{shown} ({row.metrics[metric.beside] * metric.scale:.{metric.decimals}f})"
    low, high = (row.metrics.get(metric.key + bound) for bound in BOUNDS)
    if not metric.compared or low is None or high is None:
        return shown
    return f"{shown} [{low * metric.scale:.{metric.decimals}f}, {high * metric.scale:.{metric.decimals}f}]"


def droppable_titles() -> list[str]:
    """Titles of the columns that may be left out, in the order in which that happens."""
    return [column.title for column in sorted(columns(), key=lambda column: column.drop_order) if column.drop_order]


def most_important_first(titles: Sequence[str]) -> list[str]:
    """Sort titles: columns that are left out last come first."""
    order_of_dropping = droppable_titles()
    return sorted(
        titles, key=lambda title: -order_of_dropping.index(title) if title in order_of_dropping else -len(order_of_dropping)
    )


@dataclass(frozen=True)
class Table:
    """A comparison as cells of text: `cells[0]` has the titles; `notes` are lines below the table."""

    cells: list[list[str]]
    notes: tuple[str, ...] = ()

    def plain(self) -> str:
        """Table for a terminal, with aligned columns; the least important ones are left out where it would be too wide."""
        kept, dropped = list(range(len(self.cells[0]))), []
        widths = [max(len(row[i]) for row in self.cells) for i in kept]
        for title in droppable_titles():
            if sum(widths[i] + 2 for i in kept) - 2 > MAX_WIDTH and title in self.cells[0]:
                kept.remove(self.cells[0].index(title))
                dropped.append(title)
        lines = []
        for row in self.cells:
            aligned = [row[i].rjust(widths[i]) for i in kept[1:]]
            lines.append("  ".join([row[0].ljust(widths[0]), *aligned]))
        lines.insert(1, "-" * len(lines[0]))
        more = [f"left out here, see comparison.md: {', '.join(dropped)}"] if dropped else []
        return "\n".join([*lines, *self.notes, *more])

    def markdown(self) -> str:
        """The table for a run's description or a README."""
        rows = ["| " + " | ".join(row) + " |" for row in self.cells]
        rows.insert(1, "| --- |" + " ---: |" * (len(self.cells[0]) - 1))
        return "\n".join([*rows, *(f"\n{note}" for note in self.notes)])


def table(rows: Sequence[Row], missing: Sequence[str] = ()) -> Table:
    """The baseline first (marked *), then from the slowest to the fastest; columns without any value are left out.

    Rows measured on a busy machine are marked !, reused measurements =, differences that may be chance °, and those whose
    answers quantization changed much ~, each with a note. Notes also say what of the texts is cut or
    unknown, and which have only one answer. The names in `missing` come last, with empty cells.
    """
    shown = [column for column in columns() if any(column.text(row) != "-" for row in rows)]
    chance = significance.maybe_chance(rows)
    body = [
        [row.name + _marks(row), *(column.text(row) + MARK * (row in chance.get(column.title, ())) for column in shown)]
        for row in order(rows)
    ]
    absent = [[name, *("-" for _ in shown)] for name in missing]
    notes = [f"! {row.name}: {row.contended}" for row in order(rows) if row.contended]
    if chance:
        notes.append(f"{MARK} may be chance: alone it is significant, as one of the rows of this table it is not (Holm)")
    if any(row.count == 1 and not row.is_baseline and "delta/accuracy_pp_low" in row.metrics for row in rows):
        notes.append(ONE_SEED)
    notes += _data_notes(order(rows))
    notes += [f"~ {row.name}: {_agreement_note(row)}" for row in order(rows) if _changed_much(row)]
    reused = [f"{row.name} ({row.measured_at})" for row in order(rows) if row.measured_at]
    if reused:
        notes.append(f"= reused measurement: {', '.join(reused)}; measure.again=true measures again")
    return Table([["optimization", *(column.title for column in shown)], *body, *absent], tuple(notes))


def _data_notes(rows: Sequence[Row]) -> list[str]:
    """Warnings about what classifiers do not see of the texts, and about those with only one answer."""
    found: dict[str, list[str]] = {}
    for row in rows:
        for line in (*coverage.lines(row.metrics), one_answer.line(row.metrics)):
            found.setdefault(line, []).append(row.name)
    return [f"warning: {', '.join(names)}: {line}" for line, names in found.items() if line]


def _marks(row: Row) -> str:
    marks = {"*": row.is_baseline, "!": row.contended, "=": row.measured_at, "~": _changed_much(row)}
    return "".join(f" {mark}" for mark, applies in marks.items() if applies)


def _changed_much(row: Row) -> bool:
    """Whether quantization changed more answers than `decide` allows by default."""
    return row.metrics.get(AGREEMENT, 1.0) < MIN_AGREEMENT


def _agreement_note(row: Row) -> str:
    return (
        f"after quantization only {row.metrics[AGREEMENT]:.1%} of the validation answers are the same, less than "
        f"{MIN_AGREEMENT:.0%}"
    )


def to_csv(rows: Sequence[Row]) -> str:
    """All metrics in full precision, by MLflow name, except points of curves; one line for each optimization."""
    keys = sorted({key for row in rows for key in row.metrics if not key.startswith(CURVES)})
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["optim", "settings", "runs", "run_id", "verdict", "contended", *keys])
    for row in order(rows):
        values = (row.metrics.get(key, "") for key in keys)
        about = [row.optim, row.settings, row.count, row.run_id, row.verdict, row.contended]
        writer.writerow([*safe_cells(about), *values])
    return file.getvalue()


def write(
    rows: Sequence[Row], current: str | None, title: str, folder: Path, explanation: str, missing: Sequence[str] = ()
) -> Table:
    """Write comparison.png, .svg, .md, .csv and speedup.png, .svg; the optimization `current` gets the ring.

    `explanation` is the legend (see `pipeline.reporting.noise_floor.explanation`).
    """
    from pipeline.reporting.plots import speedup, tradeoff

    folder.mkdir(parents=True, exist_ok=True)
    written = table(rows, missing)
    tradeoff.save(order(rows), current, title, folder)
    speedup.save(rows, title, folder)
    (folder / "comparison.md").write_text(f"{written.markdown()}\n\n{explanation}\n", encoding="utf-8")
    (folder / "comparison.csv").write_text(to_csv(rows), encoding="utf-8")
    return written
