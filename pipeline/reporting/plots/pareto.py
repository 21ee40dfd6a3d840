"""What was tried, as a figure: quality over speed-up, the circle's area by size; the Pareto front in colour,
numbered from the fastest on, with their names beside it.
"""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from pipeline.selection.trials import Tried, front

AREA = 40.0  # points^2 a MB


def save(tried: Sequence[Tried], title: str, file: Path) -> None:
    """Write it; those that could not be made are left out."""
    figure = Figure(figsize=(12, 6), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    best = front(tried)
    for label, color, some in (
        ("beaten by another", "0.75", [one for one in tried if one not in best]),
        ("Pareto front (speed, size, quality)", "#1f6fb4", best),
    ):
        points = [one.judged for one in some if one.judged is not None]
        axes.scatter(
            [each.speedup for each in points], [100 * each.quality for each in points],
            s=[AREA * each.size_mb for each in points], color=color, alpha=0.6, edgecolor="0.3", label=label,
        )  # fmt: skip
    key = []
    for number, one in enumerate(best, 1):
        assert one.judged is not None
        axes.annotate(f"{number}", (one.judged.speedup, 100 * one.judged.quality), fontsize=8, ha="center", va="center")
        key.append(f"{number:2}  {one.name}, {one.judged.size_mb:.1f} MB")
    axes.text(1.02, 1, "\n".join(key), transform=axes.transAxes, va="top", fontsize=8, linespacing=1.6)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}x"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("times as fast as the baseline (logarithmic)")
    axes.set_ylabel("quality on the validation split (%)")
    axes.set_title(title, loc="left")
    axes.margins(0.12)
    if any(one.judged for one in tried):
        axes.legend(frameon=False, loc="lower left", markerscale=0.5)
    figure.savefig(file)
