"""The plot of a cascade: validation accuracy over latency, from only the cheap classifier to both for every text."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from pipeline.reporting.plots.style import BLUE, RED, hide_spines, new_figure, save_figure

NOTED = "cascade"


def save(noted: Mapping[str, Any], folder: Path) -> None:
    """Write cascade.png and cascade.svg from the step's note `cascade`."""
    save_figure(draw(noted), folder, "cascade")


def draw(noted: Mapping[str, Any]) -> Figure:
    """The figure."""
    figure = new_figure(8, 5)
    axes = figure.add_subplot()
    points, better = sorted(noted["curve"], key=lambda point: point["latency_ms"]), noted["alone"]
    names, share = noted["names"], noted["answered_cheaply"]
    x, y = [point["latency_ms"] for point in points], [100 * point["validation_accuracy"] for point in points]
    axes.plot(x, y, "o-", color=BLUE, markersize=3)
    chosen = min(points, key=lambda point: abs(point["answered_cheaply"] - share))
    axes.scatter(
        chosen["latency_ms"], 100 * chosen["validation_accuracy"], s=110, facecolors="none", edgecolors="black", zorder=3,
        label=f"chosen: {names[0]} answers {share:.0%}",
    )  # fmt: skip
    axes.plot([better["latency_ms"]], [100 * better["validation_accuracy"]], "s", color=RED, markersize=6)
    ends = ((points[0], f"only {names[0]}", "left"), (points[-1], "both for every text", "right"))
    for point, name, side in (*ends, (better, f"only {names[1]}", "right")):
        axes.annotate(
            name, (point["latency_ms"], 100 * point["validation_accuracy"]), textcoords="offset points",
            xytext=(0, 8 if point is better else -14), ha=side, fontsize=9,
        )  # fmt: skip
    axes.set_xlabel("mean latency of one text (ms), computed from both classifiers' latencies")
    axes.set_ylabel("accuracy on validation texts, weighted as in the decision rule (%)")
    axes.margins(y=0.15)
    axes.legend(frameon=False, loc="lower right")
    hide_spines(axes)
    return figure
