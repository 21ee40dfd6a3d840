"""A search as two figures: how its trials went, and which settings mattered."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator


def save(search: Mapping[str, Any], folder: Path) -> None:
    """Write search_history.png and search_importance.png of what `pipeline.training.tuning.search` returned."""
    _history(search).savefig(folder / "search_history.png")
    _importance(search).savefig(folder / "search_importance.png")


def _figure() -> tuple[Figure, Any]:
    figure = Figure(figsize=(8, 4.5), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _history(search: Mapping[str, Any]) -> Figure:
    figure, axes = _figure()
    trials = search["trials"]
    best = 0.0
    reached = []
    for trial in trials:
        best = max(best, trial["value"] if trial["state"] == "finished" else 0.0)
        reached.append(100 * best if best else float("nan"))
    for state, marker in (("finished", "o"), ("stopped early", "x")):
        chosen = [(i, 100 * trial["value"]) for i, trial in enumerate(trials, 1) if trial["state"] == state]
        if chosen:
            axes.scatter(*zip(*chosen, strict=True), marker=marker, label=state, zorder=3)
    axes.step(range(1, len(trials) + 1), reached, where="post", color="0.4", label="best so far")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("trial")
    axes.set_ylabel("accuracy on the validation split (%)")
    axes.legend(frameon=False)
    return figure


def _importance(search: Mapping[str, Any]) -> Figure:
    figure, axes = _figure()
    shares = sorted(search["importance"].items(), key=lambda item: item[1])
    if not shares:
        axes.set_axis_off()
        axes.text(
            0.5, 0.5, "too few trials to tell which settings matter, or all alike", ha="center", transform=axes.transAxes
        )
        return figure
    axes.barh([name for name, _ in shares], [100 * share for _, share in shares])
    axes.set_xlabel("share of the differences between trials that a setting explains (%)")
    return figure
