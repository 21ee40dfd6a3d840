"""Where each point of the trade-off lies: accuracy over latency, a circle's area by size; in the units of the page's SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.reporting.page.content import Shown

WIDTH, HEIGHT = 900, 460
LEFT, RIGHT, TOP, BOTTOM = 60, 20, 20, 50
LARGEST = 26.0  # radius of the largest artifact's circle
LINE = 14.0  # height of a label
MARGIN = 0.08  # of the axes' range, beside the outermost points


@dataclass(frozen=True)
class Axis:
    """A range of values, on a logarithmic scale or not, over a range of the page's units."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool

    def place(self, value: float) -> float:
        """Where a value lies."""
        low, high, at = (math.log(x) if self.logarithmic else x for x in (self.low, self.high, value))
        return round(self.start + (at - low) / (high - low) * (self.end - self.start), 1)

    def ticks(self) -> list[tuple[float, str]]:
        """Round values within, and where they lie."""
        if self.logarithmic:
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            values = [digit * 10.0**decade for decade in decades for digit in (1, 2, 5)]
        else:
            step = 10 ** math.floor(math.log10(self.high - self.low))
            step *= next(part for part in (0.1, 0.2, 0.5, 1.0, 2.0) if (self.high - self.low) / (step * part) <= 8)
            values = [float(value) for value in np.arange(math.ceil(self.low / step), self.high / step) * step]
        return [(self.place(value), f"{value:g}") for value in values if self.low <= value <= self.high]


def axes(shown: Sequence[Shown]) -> tuple[Axis, Axis]:
    """Latency in ms, logarithmic, and accuracy in percent; around all points."""
    logs = [math.log(each.p50_ms) for each in shown]
    shares = [percent(each) for each in shown]
    (x_low, x_high), (y_low, y_high) = _around(logs, 0.2), _around(shares, 0.5)
    x = Axis(math.exp(x_low), math.exp(x_high), LEFT, WIDTH - RIGHT, logarithmic=True)
    return x, Axis(y_low, y_high, HEIGHT - BOTTOM, TOP, logarithmic=False)


def percent(each: Shown) -> float:
    """Accuracy; only those that have one are drawn."""
    assert each.accuracy is not None
    return 100 * each.accuracy


def _around(values: Sequence[float], least: float) -> tuple[float, float]:
    low, high = min(values), max(values)
    beside = max(MARGIN * (high - low), least)
    return low - beside, high + beside


def radius(each: Shown, shown: Sequence[Shown]) -> float:
    """Of its circle, whose area is as its size."""
    return round(max(4.0, LARGEST * math.sqrt(each.size_mb / max(other.size_mb for other in shown))), 1)


@dataclass(frozen=True)
class Point:
    """One circle with its label."""

    shown: Shown
    x: float
    y: float
    r: float
    told: str  # its figures, line by line
    label_x: float
    label_y: float
    anchor: str


def drawn(shown: Sequence[Shown], x: Axis, y: Axis) -> list[Point]:
    """The circles, the largest first so that none is hidden; labels beside them, moved apart where they would overlap."""
    points, taken = [], list[tuple[float, float, float]]()
    for each in sorted(shown, key=lambda one: -one.size_mb):
        at_x, at_y, r = x.place(each.p50_ms), y.place(percent(each)), radius(each, shown)
        wide = 6.6 * len(each.name)
        right = at_x + r + 6 + wide < WIDTH
        label_x = at_x + r + 5 if right else at_x - r - 5
        left = label_x if right else label_x - wide
        places = (at_y + 4 + step * sign for step in range(0, HEIGHT, 7) for sign in (1, -1))
        free = (place for place in places if TOP < place < HEIGHT - BOTTOM and not _covers(left, wide, place, taken))
        label_y = next(free, at_y + 4)  # where all is taken, one covers another
        taken.append((left, left + wide, label_y))
        told = "\n".join([each.name, *(f"{title}: {text}" for title, text in each.cells.items() if text != "-")])
        points.append(Point(each, at_x, at_y, r, told, round(label_x, 1), round(label_y, 1), "start" if right else "end"))
    return points


def _covers(left: float, wide: float, y: float, taken: Sequence[tuple[float, float, float]]) -> bool:
    return any(left < end and start < left + wide and abs(y - other) < LINE for start, end, other in taken)


@dataclass(frozen=True)
class Spread:
    """One line of the latencies."""

    name: str
    at: tuple[float, ...]  # where its quantiles lie


def spread(shown: Sequence[Shown]) -> dict[str, object]:
    """The latencies' axis and lines, for the template."""
    known = [each for each in shown if each.quantiles_ms]
    values = [math.log(value) for each in known for value in each.quantiles_ms] or [0.0]
    low, high = _around(values, 0.1)
    axis = Axis(math.exp(low), math.exp(high), 190, WIDTH - RIGHT, logarithmic=True)
    lines = [Spread(each.name, tuple(axis.place(value) for value in each.quantiles_ms)) for each in known]
    return {"spread": lines, "spread_axis": axis}
