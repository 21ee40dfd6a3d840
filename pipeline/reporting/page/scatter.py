"""Coordinates of the trade-off (accuracy or micro F1 over latency, circle area by size) and of the latency boxes.

They are in the page's SVG units.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.reporting.page.content import PageRow

WIDTH, HEIGHT = 900, 460
LEFT, RIGHT, TOP, BOTTOM = 60, 20, 20, 50
CHARACTER = 6.6  # the width of one, about
MAX_RADIUS = 26.0  # radius of the largest artifact's circle
LINE = 14.0  # height of a label
MARGIN = 0.08  # distance of the outermost points from the ends of an axis, as a share of its range


@dataclass(frozen=True)
class Axis:
    """Maps a range of values to a range of the page's units, linearly or logarithmically."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool

    def place(self, value: float) -> float:
        """The position of a value."""
        low, high, at = (math.log(x) if self.logarithmic else x for x in (self.low, self.high, value))
        return round(self.start + (at - low) / (high - low) * (self.end - self.start), 1)

    def ticks(self) -> list[tuple[float, str]]:
        """Round values within the range: their positions and texts."""
        if self.logarithmic:
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            values = [digit * 10.0**decade for decade in decades for digit in (1, 2, 5)]
        else:
            step = 10 ** math.floor(math.log10(self.high - self.low))
            step *= next(part for part in (0.1, 0.2, 0.5, 1.0, 2.0) if (self.high - self.low) / (step * part) <= 8)
            values = [float(value) for value in np.arange(math.ceil(self.low / step), self.high / step) * step]
        return [(self.place(value), f"{value:g}") for value in values if self.low <= value <= self.high]


def axes(rows: Sequence[PageRow]) -> tuple[Axis, Axis]:
    """Axes around all points: mean latency in ms, logarithmic, and accuracy or micro F1 in percent."""
    logs = [math.log(each.latency_ms) for each in rows]
    shares = [percent(each) for each in rows]
    (x_low, x_high), (y_low, y_high) = _around(logs, 0.2), _around(shares, 0.5)
    x = Axis(math.exp(x_low), math.exp(x_high), LEFT, WIDTH - RIGHT, logarithmic=True)
    return x, Axis(y_low, y_high, HEIGHT - BOTTOM, TOP, logarithmic=False)


def percent(each: PageRow) -> float:
    """Accuracy or micro F1 in percent; only rows that have it are drawn."""
    assert each.quality is not None
    return 100 * each.quality


def _around(values: Sequence[float], min_margin: float) -> tuple[float, float]:
    low, high = min(values), max(values)
    beside = max(MARGIN * (high - low), min_margin)
    return low - beside, high + beside


def radius(each: PageRow, rows: Sequence[PageRow]) -> float:
    """The radius of its circle, whose area is proportional to its size."""
    return round(max(4.0, MAX_RADIUS * math.sqrt(each.size_mb / max(other.size_mb for other in rows))), 1)


@dataclass(frozen=True)
class Point:
    """One circle with its label."""

    row: PageRow
    x: float
    y: float
    r: float
    tooltip: str  # its metrics, line by line
    label_x: float
    label_y: float
    anchor: str


def points(rows: Sequence[PageRow], x: Axis, y: Axis) -> list[Point]:
    """The circles, the largest first so that none is hidden, with labels beside them that do not overlap."""
    found, taken = [], list[tuple[float, float, float]]()
    for each in sorted(rows, key=lambda one: -one.size_mb):
        at_x, at_y, r = x.place(each.latency_ms), y.place(percent(each)), radius(each, rows)
        wide = CHARACTER * len(each.name)
        right = at_x + r + 6 + wide < WIDTH
        label_x = at_x + r + 5 if right else at_x - r - 5
        left = label_x if right else label_x - wide
        places = (at_y + 4 + step * sign for step in range(0, HEIGHT, 7) for sign in (1, -1))
        free = (place for place in places if TOP < place < HEIGHT - BOTTOM and not _covers(left, wide, place, taken))
        label_y = next(free, at_y + 4)  # without a free place, labels overlap
        taken.append((left, left + wide, label_y))
        tooltip = "\n".join([each.name, *(f"{title}: {text}" for title, text in each.cells.items() if text != "-")])
        found.append(Point(each, at_x, at_y, r, tooltip, round(label_x, 1), round(label_y, 1), "start" if right else "end"))
    return found


def _covers(left: float, wide: float, y: float, taken: Sequence[tuple[float, float, float]]) -> bool:
    return any(left < end and start < left + wide and abs(y - other) < LINE for start, end, other in taken)


@dataclass(frozen=True)
class Box:
    """The box plot of one classifier's latencies."""

    name: str
    at: tuple[float, ...]  # positions of the quantiles


def boxes(rows: Sequence[PageRow]) -> dict[str, object]:
    """The box plots of the latencies and their axis, for the template."""
    known = [each for each in rows if each.quantiles_ms]
    values = [math.log(value) for each in known for value in each.quantiles_ms] or [0.0]
    low, high = _around(values, 0.1)
    names = 20 + CHARACTER * max((len(each.name) for each in known), default=0)
    axis = Axis(math.exp(low), math.exp(high), min(max(190, names), WIDTH / 2), WIDTH - RIGHT, logarithmic=True)
    found = [Box(each.name, tuple(axis.place(value) for value in each.quantiles_ms)) for each in known]
    return {"boxes": found, "boxes_axis": axis}
