"""The figure of a noise run: the interval of every repetition above, and below the effect of measuring for a shorter time.

It explains confidence intervals to a new reader, and is readable without colours.
"""

import textwrap
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from pipeline.evaluation.noise.summary import ALLOWED, Findings
from pipeline.reporting.plots.style import hide_spines, log_axis, new_figure, save_figure

HOLDS, MISSES = "#31688e", "#d1495b"
CAPTION_WIDTH = 165  # characters


def save(findings: Findings, folder: Path) -> None:
    """Write noise.png and noise.svg."""
    save_figure(draw(findings), folder, "noise")


def draw(findings: Findings) -> Figure:
    """The figure."""
    figure = new_figure(11, 8.5)
    axes = figure.subplot_mosaic([["all", "all"], ["width", "share"]], height_ratios=[3, 2])
    _all(axes["all"], findings)
    _width(axes["width"], findings)
    _share(axes["share"], findings)
    hide_spines(*axes.values())
    figure.supxlabel(textwrap.fill(_caption(findings), CAPTION_WIDTH), x=0.01, ha="left", fontsize=9, color="0.25")
    return figure


def _all(axes: Any, findings: Findings) -> None:
    """One bar for each repetition."""
    margin, truth = findings.settings.margin, findings.truth
    axes.axhspan(1 / (1 + margin), 1 + margin, color="0.93", zorder=0, label=f"within {100 * margin:g} %: equally fast")
    axes.axhline(1, color="0.3", linewidth=1, zorder=1)
    if findings.slowdown:
        axes.axhline(truth, color="0.3", linewidth=1, linestyle="--", zorder=1, label=f"true value: {truth:.3f}x")
    for misses, colour, marker in ((False, HOLDS, "o"), (True, MISSES, "D")):
        chosen = [(n, i) for n, i in enumerate(findings.intervals, 1) if i.excludes_1 is misses]
        if chosen:
            values = [interval.value for _, interval in chosen]
            bounds = [[i.value - i.low for _, i in chosen], [i.high - i.value for _, i in chosen]]
            axes.errorbar(
                [number for number, _ in chosen], values, yerr=bounds, fmt=marker, color=colour, markersize=5, capsize=3,
                linewidth=2.2 if misses else 1.4, label=f"{'excludes' if misses else 'contains'} 1.00x: {len(chosen)}",
            )  # fmt: skip
    axes.set_xlim(0.3, len(findings.intervals) + 0.7)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.yaxis.set_major_formatter("{x:.3f}x")
    axes.set_xlabel("repetition")
    axes.set_ylabel("speed-up of the copy over the original" if not findings.slowdown else "speed-up of the slowed copy")
    slowed = f", the copy slower by {100 * findings.slowdown:g} %" if findings.slowdown else ""
    axes.set_title(f"{findings.optim} against itself{slowed}, measured {len(findings.intervals)} times", loc="left", pad=24)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), frameon=False, fontsize=9, borderaxespad=0, ncols=4)


def _width(axes: Any, findings: Findings) -> None:
    seconds = [result.seconds for result in findings.by_pair_count]
    widths = [100 * result.width for result in findings.by_pair_count]
    axes.plot(seconds, widths, "o-", color=HOLDS, markersize=4)
    axes.set_title("How precise? Median width of the bars", loc="left", fontsize=10)
    axes.set_ylabel("% of the speed-up")
    log_axis(axes, "y")
    axes.set_ylim(min(widths) / 1.6, max(widths) * 1.6)
    _seconds(axes)


def _share(axes: Any, findings: Findings) -> None:
    seconds = [result.seconds for result in findings.by_pair_count]
    shares = [100 * result.share for result in findings.by_pair_count]
    axes.plot(seconds, shares, "D-", color=MISSES, markersize=4)
    if findings.slowdown:
        axes.set_title("How often is the difference found?", loc="left", fontsize=10)
        axes.set_ylim(-3, 103)
    else:
        axes.axhline(100 * ALLOWED, color="0.3", linestyle="--", linewidth=1)
        axes.set_title("How often is it wrong? Bars that exclude 1.00x (dashed: 5 %)", loc="left", fontsize=10)
        axes.set_ylim(-0.5, max(20.0, 1.15 * max(shares)))
    axes.set_ylabel("% of the repetitions")
    _seconds(axes)


def _seconds(axes: Any) -> None:
    axes.set_xlim(left=0)
    axes.set_xlabel("seconds spent on one measurement")
    axes.grid(color="0.9", zorder=0)


def _caption(findings: Findings) -> str:
    if findings.slowdown:
        return (
            "How to read it: each bar is one measurement of a classifier that was slowed on purpose. The dot is the "
            "measured speed-up (below 1.00x: slower), and the bar is its 95 % confidence interval, which contains the true "
            "value in 95 of 100 such measurements. Red diamonds: the bar excludes 1.00x, so the difference was found."
        )
    return (
        "How to read it: each bar is one measurement of a classifier against a copy of itself, so the true value is 1.00x, "
        "and every difference from it is noise. The dot is the measured speed-up, and the bar is its 95 % confidence "
        "interval, which contains the true value in 95 of 100 such measurements. So about 5 in 100 bars miss 1.00x by "
        "chance (red diamonds). If many more do, small differences can't be trusted on this machine."
    )
