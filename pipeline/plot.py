"""The comparison plot: accuracy over latency, a circle's area by size on disk, a dashed ring around the current one.

Every circle has a number, and the legend beside the plot says whose it is, with its figures; so the plot can be read with
fifteen optimizations, without colours, and where circles overlap.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adjustText import adjust_text
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, ScalarFormatter

from pipeline.report import Row

LARGEST_AREA = 1600.0  # square points, of the largest artifact's circle
SMALLEST_AREA = 30.0
LOG_FROM_RATIO = 5.0  # a logarithmic latency axis where the slowest is this many times slower than the fastest


def save(rows: Sequence[Row], current: str | None, title: str, folder: Path) -> None:
    """Write comparison.png and comparison.svg; `rows` in the order of their numbers."""
    figure = draw(rows, current, title)
    figure.savefig(folder / "comparison.png", dpi=150)
    figure.savefig(folder / "comparison.svg", metadata={"Date": None})


def draw(rows: Sequence[Row], current: str | None, title: str) -> Figure:
    """The figure."""
    figure = Figure(figsize=(11, 5.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    x = [row.metrics["latency/p50_ms"] for row in rows]
    y = [100 * row.metrics["quality/accuracy"] for row in rows]
    areas = _areas([row.metrics["size/mb"] for row in rows])
    colours = [colormaps["viridis"](0.95 * i / max(1, len(rows) - 1)) for i in range(len(rows))]
    _axes(axes, x, y, title)
    for row, left, up, area, colour in zip(rows, x, y, areas, colours, strict=True):
        axes.scatter(left, up, s=area, color=colour, alpha=0.75, edgecolors="white", linewidths=0.8, zorder=3)
        if row.optim == current:
            ring = (area**0.5 + 9) ** 2
            axes.scatter(left, up, s=ring, facecolors="none", edgecolors="black", linestyles="--", linewidths=1.1, zorder=4)
        if row.is_baseline:
            axes.axhline(up, color="0.6", linestyle=":", linewidth=1, zorder=1)
    _legend(axes, rows, colours)
    _numbers(axes, x, y)
    return figure


def _areas(sizes: Sequence[float]) -> list[float]:
    largest = max(sizes)
    return [max(SMALLEST_AREA, LARGEST_AREA * size / largest) for size in sizes]


def _axes(axes: Any, x: Sequence[float], y: Sequence[float], title: str) -> None:
    if max(x) / min(x) > LOG_FROM_RATIO:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_formatter("")
        axes.set_xlim(min(x) / 1.6, max(x) * 1.6)
    else:
        room = max(0.25 * (max(x) - min(x)), 0.15 * max(x))
        axes.set_xlim(max(0, min(x) - room), max(x) + room)
    room = max(0.25 * (max(y) - min(y)), 1.0)
    axes.set_ylim(max(0, min(y) - room), min(100.5, max(y) + room))
    axes.set_xlabel("latency of one text, median (ms), tokenization included")
    axes.set_ylabel("accuracy on the test split (%)")
    axes.set_title(title, loc="left")
    axes.grid(color="0.9", zorder=0)
    axes.spines[["top", "right"]].set_visible(False)


def _legend(axes: Any, rows: Sequence[Row], colours: Sequence[Any]) -> None:
    handles = [axes.scatter([], [], s=60, color=colour, alpha=0.75) for colour in colours]
    labels = [
        f"{number}  {row.optim}{' *' if row.is_baseline else ''}: {100 * row.metrics['quality/accuracy']:.1f} %, "
        f"{row.metrics['latency/p50_ms']:.2f} ms, {row.metrics['size/mb']:.0f} MB"
        for number, row in enumerate(rows, 1)
    ]
    axes.legend(
        handles, labels, loc="upper left", bbox_to_anchor=(1.02, 1), frameon=False, fontsize=9, borderaxespad=0,
        title="area: size on disk    * baseline    ring: this run", title_fontsize=8, alignment="left",
    )  # fmt: skip


def _numbers(axes: Any, x: Sequence[float], y: Sequence[float]) -> None:
    axes.figure.canvas.draw()  # the layout decides where there is room
    texts = [axes.text(left, up, str(number), fontsize=10, fontweight="bold", zorder=5) for number, (left, up) in enumerate(zip(x, y, strict=True), 1)]  # fmt: skip
    adjust_text(texts, x=list(x), y=list(y), ax=axes, arrowprops={"arrowstyle": "-", "color": "0.4", "lw": 0.7}, expand=(1.8, 1.8))
