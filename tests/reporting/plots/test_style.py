"""Labels cover nothing, also where there are many; a plot that is saved twice is the same."""

from itertools import combinations
from pathlib import Path
from typing import Any

import matplotlib.text
import numpy as np
import pytest
from matplotlib.transforms import Bbox

from pipeline.reporting.plots.style import log_axis, new_figure, place_labels, save_figure


def labelled(count: int, seed: int, area: float = 300.0) -> tuple[Any, list[Bbox], list[Bbox]]:
    """Axes with so many circles, every third beside the one before; the boxes of labels and circles."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(0, 10, count), rng.uniform(0, 10, count)
    x[2::3], y[2::3] = x[1::3][: len(x[2::3])], y[1::3][: len(y[2::3])]
    figure = new_figure(11, 5.5)
    axes = figure.add_subplot()
    axes.scatter(x, y, s=area, label="circles")
    axes.legend(loc="lower left")
    axes.set(xlim=(-2, 12), ylim=(-2, 12))
    place_labels(axes, [f"optimization_{i}" for i in range(count)], list(x), list(y), [area] * count)
    figure.canvas.draw()
    labels = [matplotlib.text.Text.get_window_extent(text) for text in axes.texts]
    radius = area**0.5 / 2 * figure.dpi / 72
    centres = axes.transData.transform(list(zip(x, y, strict=True)))
    return axes, labels, [Bbox.from_extents(*(c - radius), *(c + radius)) for c in centres]


@pytest.mark.parametrize(("count", "seed"), [(1, 0), (15, 0), (15, 1), (30, 0), (30, 1), (30, 2)])
def test_no_label_covers_a_label_a_circle_or_the_legend_and_all_are_inside(count: int, seed: int) -> None:
    axes, labels, circles = labelled(count, seed)
    inside, legend = axes.get_window_extent(), axes.get_legend().get_window_extent()
    assert len(labels) == count
    assert not [1 for one, other in combinations(labels, 2) if one.overlaps(other)]
    assert not [1 for label in labels for other in (*circles, legend) if label.overlaps(other)]
    assert all(inside.contains(*label.min) and inside.contains(*label.max) for label in labels)


def test_where_nothing_is_free_every_label_is_drawn_all_the_same() -> None:
    assert len(labelled(20, 0, area=60_000.0)[1]) == 20


def test_a_circle_without_a_label_is_not_covered() -> None:
    axes = new_figure(6, 4).add_subplot()
    axes.set(xlim=(0, 10), ylim=(0, 10))
    place_labels(axes, ["named", ""], [5, 5], [5, 6.2], [400, 400])
    (text,) = axes.texts
    assert text.get_text() == "named" and text.get_position()[1] < 5  # above it, where labels go first, is the other


def test_a_logarithmic_axis_has_plain_round_labels() -> None:
    axes = new_figure(6, 4).add_subplot()
    log_axis(axes, "y", "x")
    axes.set_ylim(0.9, 12)
    axes.figure.canvas.draw()
    shown = [label.get_text() for label in axes.get_yticklabels() if 0.9 <= label.get_position()[1] <= 12]
    assert shown == ["1x", "2x", "5x", "10x"] and not len(axes.yaxis.get_minorticklocs())


def test_files_are_written_in_both_formats_and_the_svg_has_no_date(tmp_path: Path) -> None:
    figure = new_figure(3, 2)
    figure.add_subplot().plot([0, 1], [0, 1])
    save_figure(figure, tmp_path, "line")
    assert (tmp_path / "line.png").read_bytes()[:4] == b"\x89PNG"
    assert "<dc:date>" not in (tmp_path / "line.svg").read_text()
