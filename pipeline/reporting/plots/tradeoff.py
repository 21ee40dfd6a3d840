"""The comparison plot: accuracy over mean latency, the area of a circle by size, a dashed ring around the current run.

Where a text may have several labels it is micro F1 instead of accuracy. A mean over several seeds has bars of one standard
deviation. Every circle has its name beside it, placed so that it covers nothing; the legend outside has the metrics. So the
plot is readable with fifteen optimizations, without colours, and where circles overlap.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib import colormaps
from matplotlib.figure import Figure

from pipeline.evaluation.metrics import LATENCY, headline, quality_label
from pipeline.evaluation.rows import Row
from pipeline.reporting.plots.style import hide_spines, log_axis, new_figure, place_labels, save_figure

LARGEST_AREA = 1600.0  # square points, for the largest artifact
SMALLEST_AREA = 30.0
WIDEST_LABEL = 70  # characters; if a label with speed-up and interval is wider, the legend leaves them out
LOG_FROM_RATIO = 5.0  # the latency axis is logarithmic where the slowest takes more times as long as the fastest


def save(rows: Sequence[Row], current: str | None, title: str, folder: Path) -> None:
    """Write comparison.png and comparison.svg."""
    save_figure(draw(rows, current, title), folder, "comparison")


def draw(rows: Sequence[Row], current: str | None, title: str) -> Figure:
    """The figure; rows without accuracy (random weights) are left out."""
    rows = [row for row in rows if "quality/accuracy" in row.metrics]
    quality = headline(rows[0].metrics if rows else ())
    key = f"quality/{quality}"
    figure = new_figure(11, max(5.5, 0.9 + 0.19 * len(rows)))  # the legend has one line for each row
    axes = figure.add_subplot()
    x = [row.metrics[LATENCY] for row in rows]
    y = [100 * row.metrics[key] for row in rows]
    if not rows:
        axes.set_axis_off()
        return figure
    areas = _areas([row.metrics["size/mb"] for row in rows])
    colours = [colormaps["viridis"](0.95 * i / max(1, len(rows) - 1)) for i in range(len(rows))]
    _axes(axes, x, y, title, quality_label(quality))
    for row, left, up, area, colour in zip(rows, x, y, areas, colours, strict=True):
        axes.scatter(left, up, s=area, color=colour, alpha=0.75, edgecolors="white", linewidths=0.8, zorder=3)
        if row.optim == current:
            ring = (area**0.5 + 9) ** 2
            axes.scatter(left, up, s=ring, facecolors="none", edgecolors="black", linestyles="--", linewidths=1.1, zorder=4)
        if row.count > 1:
            error: dict[str, Any] = {"xerr": row.std[LATENCY], "yerr": 100 * row.std[key]}
            axes.errorbar(left, up, **error, color="0.3", linewidth=1, capsize=3, zorder=4)
        if row.is_baseline:
            axes.axhline(up, color="0.6", linestyle=":", linewidth=1, zorder=1)
    _legend(axes, rows, colours, key)
    place_labels(axes, [row.name for row in rows], x, y, areas)
    return figure


def _areas(sizes: Sequence[float]) -> list[float]:
    largest = max(sizes)
    return [max(SMALLEST_AREA, LARGEST_AREA * size / largest) for size in sizes]


def _axes(axes: Any, x: Sequence[float], y: Sequence[float], title: str, quality: str) -> None:
    if max(x) / min(x) > LOG_FROM_RATIO:
        log_axis(axes, "x")
        axes.set_xlim(min(x) / 1.6, max(x) * 1.6)
    else:
        room = max(0.25 * (max(x) - min(x)), 0.15 * max(x))
        axes.set_xlim(max(0, min(x) - room), max(x) + room)
    room = max(0.25 * (max(y) - min(y)), 1.0)
    axes.set_ylim(max(0, min(y) - room), min(100.5, max(y) + room))
    axes.set_xlabel("latency of one text, mean (ms), tokenization included")
    axes.set_ylabel(f"{quality} on the test split (%)")
    axes.set_title(title, loc="left")
    axes.grid(color="0.9", zorder=0)
    hide_spines(axes)


def _legend(axes: Any, rows: Sequence[Row], colours: Sequence[Any], key: str) -> None:
    handles = [axes.scatter([], [], s=60, color=colour, alpha=0.75) for colour in colours]
    labels = [
        f"{row.name}{' *' if row.is_baseline else ''}: {100 * row.metrics[key]:.1f} %, "
        f"{row.metrics[LATENCY]:.2f} ms, {row.metrics['size/mb']:.0f} MB"
        for row in rows
    ]
    longer = [
        f"{label}, {row.ratio()}" if "delta/speedup" in row.metrics else label
        for label, row in zip(labels, rows, strict=True)
    ]
    labels = longer if max(map(len, longer)) <= WIDEST_LABEL else labels
    axes.legend(
        handles, labels, loc="upper left", bbox_to_anchor=(1.02, 1), frameon=False, fontsize=9, borderaxespad=0,
        title="area: size on disk    * baseline    ring: this run", title_fontsize=8, alignment="left",
    )  # fmt: skip
