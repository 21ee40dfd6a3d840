"""The trials of a search as a plot: quality over speed-up, with the circle's area by size on disk.

The Pareto front is coloured and numbered from the fastest on; names and sizes are beside the plot.
"""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from pipeline.reporting.plots.style import BLUE, hide_spines, log_axis, new_figure, place_labels, save_figure
from pipeline.selection.trials import Tried, front

AREA = 40.0  # square points for each MB


def save(tried: Sequence[Tried], title: str, folder: Path) -> None:
    """Write frontier.png and frontier.svg."""
    save_figure(draw(tried, title), folder, "frontier")


def draw(tried: Sequence[Tried], title: str) -> Figure:
    """The figure; trials that failed are left out."""
    figure = new_figure(12, 6)
    axes = figure.add_subplot()
    hide_spines(axes)
    best = front(tried)
    others = [one for one in tried if one not in best]
    x, y, areas = list[float](), list[float](), list[float]()
    for label, colour, some in (
        ("not on the front", "0.75", others),
        ("Pareto front of point estimates (speed, size, quality)", BLUE, best),
    ):
        points = [one.judged for one in some if one.judged is not None]
        where = [each.speedup for each in points], [100 * each.quality for each in points]
        sizes = [AREA * each.size_mb for each in points]
        axes.scatter(*where, s=sizes, color=colour, alpha=0.6, edgecolor="0.3", label=label)
        x, y, areas = x + where[0], y + where[1], areas + sizes
    key = [f"{number:2}  {one.name}, {one.judged.size_mb:.1f} MB" for number, one in enumerate(best, 1) if one.judged]
    axes.text(1.02, 1, "\n".join(key), transform=axes.transAxes, va="top", fontsize=8, linespacing=1.6)
    log_axis(axes, "x", "x", subs=(1, 1.5, 2, 3, 5, 7))
    axes.set_xlabel("times as fast as the baseline (logarithmic)")
    axes.set_ylabel("quality on the validation split (%)")
    axes.set_title(title, loc="left")
    axes.margins(0.12)
    if x:
        axes.legend(frameon=False, loc="lower left", markerscale=0.5)
        numbers = [str(number) for number in range(1, len(best) + 1)]
        place_labels(axes, [""] * (len(x) - len(best)) + numbers, x, y, areas)
    return figure
