"""Rows of a comparison -> the table (terminal, Markdown, CSV) and, with `plot`, the figure; no model is seen here.

python -m pipeline.compare                    draw it all again from what MLflow holds
python -m pipeline.compare data=clinc150      of another experiment
"""

import csv
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import TrackError
from pipeline.report import Row, order

if TYPE_CHECKING:
    from pipeline.config import Config


@dataclass(frozen=True)
class Column:
    """One column: the metric it shows, times `factor`, with this many decimals."""

    title: str
    key: str
    decimals: int
    factor: float = 1.0
    unit: str = ""

    def text(self, row: Row) -> str:
        """The cell, "-" where the run has no such metric."""
        value = row.metrics.get(self.key)
        if value is None:
            return "-"
        shown = f"{value * self.factor:.{self.decimals}f}"
        if self.key in row.spread:
            shown += f" ±{row.spread[self.key] * self.factor:.{self.decimals}f}"
        return shown + self.unit


COLUMNS = (
    Column("accuracy %", "quality/accuracy", 1, 100),
    Column("change pp", "delta/accuracy_pp", 1),
    Column("in-scope %", "quality/in_scope_accuracy", 1, 100),
    Column("oos recall %", "quality/oos_recall", 1, 100),
    Column("macro F1 %", "quality/f1_macro", 1, 100),
    Column("p50 ms", "latency/p50_ms", 2),
    Column("p95 ms", "latency/p95_ms", 2),
    Column("faster", "delta/speedup", 2, unit="x"),
    Column("size MB", "size/mb", 1),
    Column("smaller", "delta/size_ratio", 2, unit="x"),
    Column("with zeros MB", "size/dense_mb", 1),
    Column("zeros %", "prune/sparsity", 1, 100),
    Column("texts/s", "throughput/texts_per_s", 0),
    Column("peak MB", "memory/peak_mb", 0),
)
LEGEND = (
    "p50, p95: latency of one text, tokenization included. faster: median of paired ratios, the baseline (*) and the "
    "optimization taking turns in one session; p50 is of each one's own run. MB: 2^20 bytes."
)


@dataclass(frozen=True)
class Table:
    """A comparison as cells of text: `cells[0]` are the titles."""

    cells: list[list[str]]

    def plain(self) -> str:
        """For a terminal: columns aligned."""
        widths = [max(len(row[i]) for row in self.cells) for i in range(len(self.cells[0]))]
        lines = []
        for name, *figures in self.cells:
            aligned = [figure.rjust(width) for figure, width in zip(figures, widths[1:], strict=True)]
            lines.append("  ".join([name.ljust(widths[0]), *aligned]))
        lines.insert(1, "-" * len(lines[0]))
        return "\n".join(lines)

    def markdown(self) -> str:
        """For a run's description or a README."""
        rows = ["| " + " | ".join(row) + " |" for row in self.cells]
        rows.insert(1, "| --- |" + " ---: |" * (len(self.cells[0]) - 1))
        return "\n".join(rows)


def table(rows: Sequence[Row], missing: Sequence[str] = ()) -> Table:
    """Baseline first (marked *), then from the slowest to the fastest; columns that no row has are left out.

    `missing` names what should be there and is not: last, with empty cells.
    """
    shown = [column for column in COLUMNS if any(column.key in row.metrics for row in rows)]
    body = [[row.name + (" *" if row.is_baseline else ""), *(column.text(row) for column in shown)] for row in order(rows)]
    absent = [[name, *("-" for _ in shown)] for name in missing]
    return Table([["optimization", *(column.title for column in shown)], *body, *absent])


def to_csv(rows: Sequence[Row]) -> str:
    """Every metric in full precision, by its name in MLflow; one line an optimization."""
    keys = sorted({key for row in rows for key in row.metrics if not key.startswith("training/")})
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["optim", "settings", "runs", "run_id", *keys])
    for row in order(rows):
        writer.writerow([row.optim, row.settings, row.count, row.run_id, *(row.metrics.get(key, "") for key in keys)])
    return file.getvalue()


def write(rows: Sequence[Row], current: str | None, title: str, folder: Path, missing: Sequence[str] = ()) -> Table:
    """Write comparison.png, .svg, .md and .csv into a folder; the optimization `current` gets the ring."""
    from pipeline.plot import save

    folder.mkdir(parents=True, exist_ok=True)
    made = table(rows, missing)
    save(order(rows), current, title, folder)
    (folder / "comparison.md").write_text(f"{made.markdown()}\n\n{LEGEND}\n", encoding="utf-8")
    (folder / "comparison.csv").write_text(to_csv(rows), encoding="utf-8")
    return made


def folder_of(config: "Config") -> Path:
    """Where the newest comparison of an experiment lies, outside MLflow."""
    return Path(config.track.root).resolve() / "comparison" / f"{config.data.name}_{config.backbone.name}".replace("/", "_")


def redraw(config: "Config") -> None:
    """Table and figure of what compares with the experiment's newest run. Raises TrackError when there is none."""
    from pipeline.track.runs import NOTHING_YET, Tracker
    from pipeline.track.server import connect, is_fresh

    experiment = f"{config.data.name}/{config.backbone.name}"
    if is_fresh(config.track):
        raise TrackError(NOTHING_YET.format(experiment))
    tracker = Tracker(connect(config.track), experiment, create=False)
    comparable = tracker.newest_comparable()
    if comparable is None:
        raise TrackError(NOTHING_YET.format(experiment))
    made = write(tracker.rows(comparable), None, experiment, folder_of(config))
    print(f"{made.plain()}\n\n{LEGEND}\nplot: {folder_of(config) / 'comparison.png'}")


def main() -> None:
    """The entry point of `python -m pipeline.compare`; takes the same overrides as the program itself."""
    from pipeline.cli import HELP_FLAGS, configs, guarded, parse_arguments

    if HELP_FLAGS & set(sys.argv[1:]):
        print(__doc__)
        return
    sys.exit(guarded(lambda: redraw(next(configs(parse_arguments(sys.argv[1:]))).config)))


if __name__ == "__main__":
    main()
