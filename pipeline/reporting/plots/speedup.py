"""The forest plot: the speed-up of each optimization over the baseline, with its confidence interval.

Each optimization has a line, the fastest on top: a mark and its 95 % interval for the mean time of a call, and a grey one
below for slow calls (p95). Each verdict has a colour and a marker, and its name is beside the numbers on the right. So the
figure is readable without colours, and where an interval is narrower than its mark.
"""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from pipeline.evaluation.rows import Row
from pipeline.evaluation.statistics import EQUIVALENT, FASTER, INCONCLUSIVE, SLOWER
from pipeline.reporting.legend import margin_of
from pipeline.reporting.plots.style import hide_spines, log_axis, new_figure, save_figure

STYLES = {  # marker, colour (Okabe and Ito's, safe for colour-blind readers), colour of its face
    FASTER: (">", "#0072B2", "#0072B2"),
    SLOWER: ("<", "#D55E00", "#D55E00"),
    EQUIVALENT: ("s", "#009E73", "#009E73"),
    INCONCLUSIVE: ("o", "#555555", "white"),
    "": ("D", "#999999", "white"),
}
SLOW = ("o", "#B0B0B0", "#B0B0B0")  # grey: the verdict is about the mean
NO_VERDICT = "no verdict"
SLOW_CALLS_OFFSET = 0.27  # distance of the slow calls below the line, as a share of the line distance
WIDE_RATIO = 3.0  # a wider axis has ticks at 1, 2, 5, 10
MAX_REACH = 10.0  # longer bars, relative to the outermost mark, leave the axis; the numbers beside them have the bounds
WIDEST_NAME = 44  # characters; longer names, with a sweep's settings, are wrapped
CAPTION = (
    "Right of 1x is faster than the baseline. A bar is the 95 % confidence interval of its mark: if the whole measurement\n"
    "were repeated many times, 95 of 100 such bars would contain the true ratio. Where a bar crosses the line at 1x,\n"
    "the measurement does not show which of the two is faster."
)


def save(rows: Sequence[Row], title: str, folder: Path) -> None:
    """Write speedup.png and speedup.svg."""
    save_figure(draw(rows, title), folder, "speedup")


def draw(rows: Sequence[Row], title: str) -> Figure:
    """The figure; the baseline is the line at 1x."""
    others = [row for row in rows if not row.is_baseline and "delta/speedup" in row.metrics]
    shown = sorted(others, key=lambda row: (row.metrics["delta/speedup"], row.name))
    figure = new_figure(11, 2.6 + 0.42 * len(shown))
    axes = figure.add_subplot()
    if not shown:
        axes.set_axis_off()
        axes.set_title(title, loc="left")
        axes.text(0.5, 0.5, "nothing was compared with the baseline yet", ha="center", transform=axes.transAxes)
        return figure
    margin = margin_of(shown)
    _axes(axes, shown, margin)
    for place, row in enumerate(shown):
        _line(axes, row, place)
    _legend(figure, shown, margin, title)
    figure.supxlabel(CAPTION, x=0.01, ha="left", fontsize=8, color="0.25", linespacing=1.4)
    return figure


def _line(axes: Any, row: Row, place: int) -> None:
    mean = ("delta/speedup", place, STYLES[row.verdict], 7)
    for key, height, style, size in (("delta/speedup_p95", place - SLOW_CALLS_OFFSET, SLOW, 4), mean):
        value, interval = row.metrics.get(key), row.interval(key)
        marker, colour, face = style
        if interval is not None:
            bar = {"color": colour, "lw": size / 3, "solid_capstyle": "butt", "zorder": 2}
            axes.plot([interval.low, interval.high], [height, height], marker="|", ms=size + 2, **bar)
        if value is not None:
            axes.plot(value, height, marker, ms=size, color=colour, mfc=face, zorder=3)
    text = f"{row.ratio()}  {row.verdict}".replace(" [", "  [")
    axes.text(1.01, place, text, va="center", fontsize=9, transform=axes.get_yaxis_transform())


def _axes(axes: Any, rows: Sequence[Row], margin: float | None) -> None:
    low, high = _span(rows, margin or 0.0)
    log_axis(axes, "x", "x")
    axes.set_xlim(low, high)
    axes.set_ylim(-0.75, len(rows) - 0.4)
    if high / low <= WIDE_RATIO:
        axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    names = [textwrap.fill(row.name + (" !" if row.contended else ""), WIDEST_NAME) for row in rows]
    axes.set_yticks(range(len(rows)), names, fontsize=9)
    axes.tick_params(axis="y", length=0)
    if margin:
        axes.axvspan(1 / (1 + margin), 1 + margin, color="0.88", lw=0, zorder=0)
    axes.axvline(1, color="0.3", linewidth=1, zorder=1)
    axes.set_xlabel("times as fast as the baseline (logarithmic)")
    axes.grid(axis="x", color="0.92", zorder=0)
    axes.set_axisbelow(True)
    hide_spines(axes, sides=("top", "right", "left"))


def _span(rows: Sequence[Row], margin: float) -> tuple[float, float]:
    """The limits of the axis: it contains 1x, the margin, all marks, and bars that are not too long."""
    keys = ("delta/speedup", "delta/speedup_p95")
    marks = [1 / (1 + margin), 1 + margin, *(row.metrics[key] for row in rows for key in keys if key in row.metrics)]
    bars = [interval for row in rows for key in keys if (interval := row.interval(key)) is not None]
    low = max(min([*marks, *(bar.low for bar in bars)]), min(marks) / MAX_REACH)
    high = min(max([*marks, *(bar.high for bar in bars)]), max(marks) * MAX_REACH)
    room = max((high / low) ** 0.05, 1.005)
    return low / room, high * room


def _legend(figure: Figure, rows: Sequence[Row], margin: float | None, title: str) -> None:
    """The title and the legend of the marks and shades that occur, above the lines."""
    handles = [
        Line2D([], [], ls="", marker=marker, color=colour, mfc=face, label=verdict or NO_VERDICT)
        for verdict, (marker, colour, face) in STYLES.items()
        if any(row.verdict == verdict for row in rows)
    ]
    if any("delta/speedup_p95" in row.metrics for row in rows):
        handles.append(Line2D([], [], ls="", marker=SLOW[0], color=SLOW[1], ms=4, label="below, grey: slow calls (p95)"))
    if margin:
        label = f"shaded: within {100 * margin:g} %, equally fast"
        handles.append(Line2D([], [], ls="", marker="s", color="0.88", ms=9, label=label))
    if any(row.contended for row in rows):
        handles.append(Line2D([], [], ls="", marker="$!$", color="black", ms=6, label="measured on a busy machine"))
    figure.legend(
        handles=handles, loc="outside upper left", ncols=len(handles), frameon=False, fontsize=8, handletextpad=0.2,
        columnspacing=1.2, title=title, title_fontsize=12, alignment="left",
    )  # fmt: skip
