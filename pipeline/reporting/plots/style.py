"""The shared parts of the plots: figures, colours, axes, labels beside circles, files."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

DPI = 150
BLUE, ORANGE, GREEN, RED, GREY = "#1f6fb4", "#d97a02", "#5a9e6f", "#b3261e", "0.45"
MANY_LABELS = 20  # more labels get a smaller font
DISTANCES = (0, 12, 24, 40, 60, 90, 130, 180, 240, 320)  # pixels from a circle, tried in this order
ANGLES = (90, 270, 0, 180, 45, 135, 225, 315, 20, 160, 200, 340, 67, 113, 247, 293)  # degrees, at each distance
POINTS_PER_INCH = 72
BESIDE = 5  # points between a circle and its label


def new_figure(width: float, height: float) -> Figure:
    """An empty figure (size in inches) that needs no screen."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def hide_spines(*every: Any, sides: Sequence[str] = ("top", "right")) -> None:
    """Hide the given sides of the frame of these axes."""
    for axes in every:
        axes.spines[list(sides)].set_visible(False)


def save_figure(figure: Figure, folder: Path, name: str) -> None:
    """Write `name`.png and `name`.svg without a date, so equal plots give equal files.

    Each canvas draws once. `Figure.savefig` would draw a second time for the layout, for each file.
    """
    png: Any = FigureCanvasAgg(figure)
    png.print_png(folder / f"{name}.png")
    figure.set_layout_engine("none")  # both files have one layout
    svg: Any = FigureCanvasSVG(figure)
    svg.print_svg(folder / f"{name}.svg", metadata={"Date": None})


def log_axis(axes: Any, which: str, suffix: str = "", subs: Sequence[float] = (1, 2, 5)) -> None:
    """Make the axis `which` ("x" or "y") logarithmic, with ticks like 1x, 2x, 5x, 10x and none between them."""
    axes.set(**{f"{which}scale": "log"})
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter(f"{{x:g}}{suffix}")
    axis.set_minor_locator(NullLocator())


def place_labels(axes: Any, labels: Sequence[str], x: Sequence[float], y: Sequence[float], areas: Sequence[float]) -> None:
    """Write each label beside its circle, where it covers no circle, label or legend; distant labels get a line.

    x, y: the centres, in data units. areas: the circles' areas in square points, as `scatter` takes them. Labels do not
    cover circles with the label "" either. A label takes the nearest free place, or the place that covers least if none is
    free. Call this last: it fixes the layout.
    """
    axes.figure.draw_without_rendering()  # the layout determines where there is room
    pixels_per_point = axes.figure.dpi / POINTS_PER_INCH
    centres = axes.transData.transform(list(zip(x, y, strict=True)))
    radii = [(math.sqrt(area) / 2 + BESIDE) * pixels_per_point for area in areas]
    taken = [(*(centre - radius + 1), *(centre + radius - 1)) for centre, radius in zip(centres, radii, strict=True)]
    if axes.get_legend() is not None:
        taken.append(axes.get_legend().get_window_extent().extents)
    inside, to_data = axes.get_window_extent(), axes.transData.inverted()
    size = 9 if sum(map(bool, labels)) <= MANY_LABELS else 7
    for label, centre, radius in zip(labels, centres, radii, strict=True):
        if not label:
            continue
        text = axes.annotate(
            label, to_data.transform(centre), ha="center", va="center", fontsize=size, zorder=5, annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": "0.4", "lw": 0.7, "shrinkA": 0, "shrinkB": 3},
        )  # fmt: skip
        text.arrow_patch.set_visible(False)  # an arrow would enlarge the extent
        extent = text.get_window_extent()
        boxes, distances = _places_around(centre, radius, extent.width, extent.height)
        whole = (boxes[:, :2] >= inside.min).all(axis=1) & (boxes[:, 2:] <= inside.max).all(axis=1)
        cost = _covered(boxes, np.array(taken)) + np.where(whole, 0.0, np.inf if whole.any() else 0.0)
        best = int(cost.argmin())  # the first of equal costs, so the nearest
        text.set_position(to_data.transform((boxes[best, :2] + boxes[best, 2:]) / 2))
        taken.append(tuple(boxes[best]))
        text.arrow_patch.set_visible(bool(distances[best] > 0))
    axes.figure.set_layout_engine("none")  # the places were chosen for this layout


def _places_around(centre: np.ndarray, radius: float, width: float, height: float) -> tuple[np.ndarray, np.ndarray]:
    """Boxes of this size around a circle, nearest first: left, bottom, right, top (n, 4), and their distances (n,)."""
    distances, angles = (grid.ravel() for grid in np.meshgrid(DISTANCES, np.radians(ANGLES), indexing="ij"))
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    half = np.array([width, height]) / 2
    middles = centre + directions * ((radius + distances)[:, None] + half)
    return np.hstack([middles - half, middles + half]), distances


def _covered(boxes: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """The area, in square pixels, of each box (n, 4) that taken boxes (m, 4) cover: (n,)."""
    low = np.maximum(boxes[:, None, :2], taken[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], taken[None, :, 2:])
    return np.asarray(np.prod(np.clip(high - low, 0, None), axis=2).sum(axis=1))
