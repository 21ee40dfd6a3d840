"""The forest plot: a line for each optimization, its interval and numbers, readable without colours."""

import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib.image
import pytest

from pipeline.evaluation.rows import Row
from pipeline.evaluation.statistics import Interval, verdict
from pipeline.reporting.plots.speedup import MAX_REACH, STYLES, draw, save
from tests.reporting.test_tables import row, speedup

BASELINE = row("bert", delta__speedup=1.0, delta__speedup_p95=1.0)


def measured(name: str, value: float, width: float, **more: float) -> Row:
    """A row with its interval, its verdict, slow calls and the margin."""
    interval = Interval(value, value / (1 + width), value * (1 + width))
    slow = speedup(0.9 * value, 0.8 * value, value, "_p95")
    figures = speedup(value, interval.low, interval.high) | slow | {"delta__margin": 0.02} | more
    return replace(row(name, **figures), verdict=verdict(interval, 0.02))


def crowd(count: int) -> list[Row]:
    """Some slower, some much faster, with narrow and wide intervals."""
    return [BASELINE, *(measured(f"optimization_{i}", 0.8 * 1.12**i, (0.003, 0.05, 0.3)[i % 3]) for i in range(count))]


def drawn(rows: list[Row]) -> Any:
    figure = draw(rows, "toy/tiny")
    figure.canvas.draw()
    return figure


def marks(axes: Any) -> list[Any]:
    return [
        line for line in axes.lines if line.get_marker() in {style[0] for style in STYLES.values()} and line.get_ms() > 5
    ]


def bars(axes: Any) -> list[list[float]]:
    return [list(line.get_xdata()) for line in axes.lines if line.get_marker() == "|"]


@pytest.mark.parametrize("count", [1, 2, 12, 30])
def test_every_optimization_has_a_line_with_its_numbers_and_nothing_covers_anything(count: int) -> None:
    figure = drawn(crowd(count))
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        f"optimization_{i}" for i in range(count)
    ]  # from below
    assert len(marks(axes)) == count and len(bars(axes)) == 2 * count
    values = [mark.get_xdata()[0] for mark in marks(axes)]
    assert values == sorted(values)
    assert all(low < value < high for (low, high), value in zip(bars(axes)[1::2], values, strict=True))
    texts = [text.get_text() for text in axes.texts]
    assert texts[0] == f"0.800x  [0.798, 0.802]  {verdict(Interval(0.8, 0.798, 0.802), 0.02)}" and len(texts) == count
    boxes = [text.get_window_extent() for text in axes.texts]
    names = [label.get_window_extent() for label in axes.get_yticklabels()]
    for column in (boxes, names):
        assert not any(one.overlaps(other) for one, other in pairwise(column))
    whole, legend = figure.bbox, figure.legends[0].get_window_extent()
    assert all(whole.contains(*box.min) and whole.contains(*box.max) for box in [*boxes, *names, legend])
    assert legend.y0 >= axes.get_window_extent().y1


def test_each_verdict_has_a_marker_of_its_own_and_is_explained_only_where_it_occurs() -> None:
    assert len({marker for marker, _, _ in STYLES.values()}) == len(STYLES)
    rows = [measured("a", 2.0, 0.01), measured("b", 0.5, 0.01), measured("c", 1.0, 0.01), measured("d", 1.0, 0.1)]
    axes = drawn(rows).axes[0]
    told = ["slower", "inconclusive", "equivalent", "faster"]
    by_name = {text.get_text().split()[-1]: mark.get_marker() for text, mark in zip(axes.texts, marks(axes), strict=True)}
    assert by_name == {name: STYLES[name][0] for name in told}
    few = draw(rows[:1], "").legends[0]
    explained = [text.get_text() for text in few.get_texts()]
    assert explained == ["faster", "below, grey: slow calls (p95)", "shaded: within 2 %, equally fast"]


def test_runs_without_bounds_have_a_mark_without_a_bar() -> None:
    rows = [BASELINE, row("old", delta__speedup=2.1), row("one_pair", delta__speedup=1.5)]
    figure = drawn(rows)
    axes = figure.axes[0]
    assert bars(axes) == [] and [text.get_text().strip() for text in axes.texts] == ["1.50x", "2.10x"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["no verdict"]
    assert not axes.patches  # the margin is not known


def test_without_anything_to_compare_the_figure_says_so() -> None:
    texts = [text.get_text() for text in draw([BASELINE, row("other")], "toy/tiny").axes[0].texts]
    assert texts == ["nothing was compared with the baseline yet"]


def test_the_axis_is_logarithmic_with_plain_labels_and_holds_every_bar_but_endless_ones() -> None:
    for rows in (crowd(2), crowd(30), [measured("a", 1.001, 0.0005)]):
        axes = drawn(rows).axes[0]
        low, high = axes.get_xlim()
        shown = [tick for tick in axes.get_xticks() if low <= tick <= high]
        assert axes.get_xscale() == "log" and 3 <= len(shown) <= 9 and low < 1 / 1.02 < 1.02 < high
        labels = [label.get_text() for label in axes.get_xticklabels()]
        assert "1x" in labels and not any("10^" in label for label in labels)
        assert all(low < end < high for bar in bars(axes) for end in bar)
    endless = drawn([measured("a", 1.0, 1e9), measured("b", 2.0, 0.01)]).axes[0].get_xlim()
    assert endless[0] > 0.5 / MAX_REACH and endless[1] < 4 * MAX_REACH


def test_what_was_measured_on_a_busy_machine_is_marked_and_explained() -> None:
    figure = drawn([replace(measured("a", 2.0, 0.01), contended="others ran"), measured("b", 3.0, 0.01)])
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["a !", "b"]
    assert "measured on a busy machine" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_long_names_leave_room_for_the_marks() -> None:
    rows = [measured(f"distillation_onnx_int8 epochs={i} {'temperature=0.5 ' * 5}", 2.0 + i, 0.01) for i in range(3)]
    figure = drawn(rows)
    assert figure.axes[0].get_window_extent().width > 0.4 * figure.bbox.width


@pytest.mark.parametrize("rows", [[BASELINE], crowd(12)], ids=len)
def test_png_and_svg_are_written(rows: list[Row], tmp_path: Path) -> None:
    save(rows, "toy/tiny", tmp_path)
    assert matplotlib.image.imread(tmp_path / "speedup.png").std() > 0.01
    assert ElementTree.parse(tmp_path / "speedup.svg").getroot().tag.endswith("svg")
