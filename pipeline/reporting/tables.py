"""Rows of a comparison -> the table (terminal, Markdown, CSV) and its files, plots included; no model is seen here."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.evaluation.rows import BOUNDS, Row, order

CURVES = ("training/", "profile/")  # of these a run has many values
MAX_WIDTH = 160  # characters, for a terminal
LEAST_NEWS = (  # left out first where a terminal is too narrow
    "macro F1 %", "ECE %", "texts/s", "PSS MB", "texts/s/core", "zeros %", "with zeros MB", "peak MB", "price/M", "smaller",
    "without rule %", "p95 ms", "in-scope %",
)  # fmt: skip


@dataclass(frozen=True)
class Column:
    """One column: its title, and how it shows a row; "-" where the row has nothing to show."""

    title: str
    text: Callable[[Row], str]


def number(key: str, decimals: int, factor: float = 1.0, unit: str = "") -> Callable[[Row], str]:
    """How a metric is shown: times `factor`, with this many decimals, and its spread over seeds if it has one."""

    def text(row: Row) -> str:
        value = row.metrics.get(key)
        if value is None:
            return "-"
        spread = f" ±{row.spread[key] * factor:.{decimals}f}" if key in row.spread else ""
        return f"{value * factor:.{decimals}f}{spread}{unit}"

    return text


def change(row: Row) -> str:
    """The change of accuracy in percentage points, between its bounds where it has some."""
    shown = number("delta/accuracy_pp", 1)(row)
    low, high = (row.metrics.get(f"delta/accuracy_pp{bound}") for bound in BOUNDS)
    return shown if low is None or high is None else f"{shown} [{low:.1f}, {high:.1f}]"


COLUMNS = (
    Column("accuracy %", number("quality/accuracy", 1, 100)),
    Column("without rule %", number("argmax/accuracy", 1, 100)),
    Column("change pp", change),
    Column("in-scope %", number("quality/in_scope_accuracy", 1, 100)),
    Column("oos recall %", number("quality/oos_recall", 1, 100)),
    Column("macro F1 %", number("quality/f1_macro", 1, 100)),
    Column("ECE %", number("quality/ece", 1, 100)),
    Column("p50 ms", number("latency/p50_ms", 2)),
    Column("p95 ms", number("latency/p95_ms", 2)),
    Column("faster", lambda row: row.ratio("delta/speedup")),
    Column("slow calls", lambda row: row.ratio("delta/speedup_p95")),
    Column("verdict", lambda row: row.verdict or "-"),
    Column("size MB", number("size/mb", 1)),
    Column("smaller", number("delta/size_ratio", 2, unit="x")),
    Column("with zeros MB", number("size/dense_mb", 1)),
    Column("zeros %", number("prune/sparsity", 1, 100)),
    Column("texts/s", number("throughput/texts_per_s", 0)),
    Column("texts/s/core", number("cost/texts_per_core_s", 0)),
    Column("peak MB", number("memory/peak_mb", 0)),
    Column("PSS MB", number("memory/pss_warm_mb", 0)),
    Column("price/M", number("cost/price_per_million_texts", 3)),
)


def most_news_first(titles: Sequence[str]) -> list[str]:
    """Where not all columns are seen at once: those first that would be left out last."""
    return sorted(titles, key=lambda title: -LEAST_NEWS.index(title) if title in LEAST_NEWS else -len(LEAST_NEWS))


@dataclass(frozen=True)
class Table:
    """A comparison as cells of text: `cells[0]` are the titles; `notes` are lines below it."""

    cells: list[list[str]]
    notes: tuple[str, ...] = ()

    def plain(self) -> str:
        """For a terminal: columns aligned, those with the least news left out where it would be too wide."""
        kept, dropped = list(range(len(self.cells[0]))), []
        widths = [max(len(row[i]) for row in self.cells) for i in kept]
        for title in LEAST_NEWS:
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
    shown = [column for column in COLUMNS if any(column.text(row) != "-" for row in rows)]
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
