"""A cascade as a figure: what it is worth on validation, from its better classifier alone to its cheap one alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def save(curve: Sequence[Mapping[str, float]], figures: Mapping[str, float], names: tuple[str, str], folder: Path) -> None:
    """Write cascade.png of what the step `cascade` noted; `names` are those of its cheap and its better classifier."""
    draw(curve, figures, names).savefig(folder / "cascade.png")


def draw(curve: Sequence[Mapping[str, float]], figures: Mapping[str, float], names: tuple[str, str]) -> Figure:
    """The figure."""
    figure = Figure(figsize=(8, 5), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    points = sorted(curve, key=lambda point: point["latency_ms"])
    x, y = [point["latency_ms"] for point in points], [100 * point["validation_accuracy"] for point in points]
    axes.plot(x, y, "o-", color="#2166ac", markersize=3)
    chosen = min(points, key=lambda point: abs(point["answered_cheaply"] - figures["cascade/answered_cheaply"]))
    axes.scatter(
        chosen["latency_ms"], 100 * chosen["validation_accuracy"], s=110, facecolors="none", edgecolors="black", zorder=3,
        label=f"chosen: {names[0]} answers {figures['cascade/answered_cheaply']:.0%}",
    )  # fmt: skip
    for point, name in ((points[0], names[0]), (points[-1], names[1])):
        axes.annotate(
            f"{name} alone", (point["latency_ms"], 100 * point["validation_accuracy"]), textcoords="offset points",
            xytext=(0, -14), ha="left" if point is points[0] else "right", fontsize=9,
        )  # fmt: skip
    axes.set_xlabel("mean latency of one text (ms), as both were timed alone")
    axes.set_ylabel("accuracy on the validation split (%)")
    axes.margins(y=0.15)
    axes.legend(frameon=False, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    return figure
