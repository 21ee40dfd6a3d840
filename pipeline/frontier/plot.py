"""What was tried, as a figure: quality over speed-up, the circle's area by size; the Pareto front in colour."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pipeline.frontier.walk import Tried, front

AREA = 40.0  # points^2 a MB


def save(tried: Sequence[Tried], title: str, file: Path) -> None:
    """Write it; those that could not be made are left out."""
    figure = Figure(figsize=(10, 6), dpi=150, layout="constrained")
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
    for one in best:
        assert one.judged is not None
        place = (one.judged.speedup, 100 * one.judged.quality)
        text = f"{one.name}\n{one.judged.size_mb:.1f} MB"
        axes.annotate(text, place, xytext=(0, 9), textcoords="offset points", fontsize=7, ha="center")
    axes.set_xscale("log")
    axes.set_xlabel("times as fast as the baseline (logarithmic)")
    axes.set_ylabel("quality on the validation split (%)")
    axes.set_title(title, loc="left")
    axes.margins(0.12)
    if any(one.judged for one in tried):
        axes.legend(frameon=False, loc="lower left", markerscale=0.5)
    figure.savefig(file)
