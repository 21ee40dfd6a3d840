"""The comparison plot: every name once and readable, with few and many optimizations; ring, areas, axes, files."""

import random
import xml.etree.ElementTree as ElementTree
from itertools import combinations
from pathlib import Path
from typing import Any

import matplotlib.image
import matplotlib.text
import pytest

from pipeline.evaluation.rows import Row, order
from pipeline.reporting.plots.tradeoff import LOG_FROM_RATIO, WIDEST_LABEL, draw, save
from tests.reporting.test_tables import FEW, row, speedup

NAMES = [
    "bert", "distilbert", "distillation", "distillation_int8", "distillation_onnx_int8", "baseline_int8", "baseline_onnx",
    "trim_vocabulary", "pruned_50", "pruned_90_movement", "baseline_onnx_int8", "heads_removed", "low_rank_128", "bf16",
    "drop_4",
]  # fmt: skip


def crowd(count: int, seed: int) -> list[Row]:
    """Optimizations as they come: some near each other, some equal, sizes from 10 to 440 MB."""
    rng = random.Random(seed)
    rows = [row("bert", 0.91, 8.0, 440.0)]
    for name in NAMES[1:count]:
        near = (
            rng.choice(rows)
            if rng.random() < 0.4
            else row("", rng.uniform(0.84, 0.92), rng.uniform(1, 9), rng.uniform(10, 440))
        )
        rows.append(
            row(name, near.metrics["quality/accuracy"], near.metrics["latency/mean_ms"], near.metrics["size/mb"] * 0.9)
        )
    return rows


def boxes_of(axes: Any) -> dict[str, Any]:
    """The extent of every name label, without the line that leads to its circle."""
    renderer = axes.figure.canvas.get_renderer()
    return {text.get_text(): matplotlib.text.Text.get_window_extent(text, renderer) for text in axes.texts}


def test_of_several_labels_it_shows_micro_f1() -> None:
    rows = [row(name, 0.4, ms, quality__f1_micro=0.6) for name, ms in (("bert", 8.0), ("small", 2.0))]
    (axes,) = draw(rows, None, "toy/tiny").axes
    assert axes.get_ylabel() == "micro F1 on the test split (%)"
    places: Any = [points.get_offsets() for points in axes.collections[:2]]
    assert [float(place[0][1]) for place in places] == [60.0, 60.0]


@pytest.mark.parametrize(("count", "seed"), [(1, 0), (2, 0), (5, 1), (15, 0), (15, 1), (15, 2), (15, 3)])
def test_every_optimization_is_named_once_and_no_name_covers_another(count: int, seed: int) -> None:
    rows = crowd(count, seed)
    figure = draw(rows, rows[-1].optim, "toy/tiny")
    figure.canvas.draw()
    (axes,) = figure.axes
    assert sorted(text.get_text() for text in axes.texts) == sorted(NAMES[:count])
    legend = axes.get_legend()
    assert legend is not None
    shown = [text.get_text() for text in legend.get_texts()]
    assert [text.partition(":")[0].removesuffix(" *") for text in shown] == NAMES[:count]
    assert [" *:" in text for text in shown] == [name == "bert" for name in NAMES[:count]]
    boxes = boxes_of(axes)
    inside = axes.get_window_extent()
    assert [(a, b) for a, b in combinations(boxes, 2) if boxes[a].overlaps(boxes[b])] == []
    assert [name for name, box in boxes.items() if not (inside.contains(*box.min) and inside.contains(*box.max))] == []
    beside = legend.get_window_extent()
    assert beside.x0 >= inside.x1 and figure.bbox.contains(*beside.min) and figure.bbox.contains(*beside.max)


@pytest.mark.parametrize("length", [1, 26, 27, 80])
def test_the_legend_has_the_speedup_and_its_interval_where_there_is_room_for_all(length: int) -> None:
    rows = [row("bert", delta__speedup=1.0), row("x" * length, ms=4.0, **speedup(2.05, 2.01, 2.09)), row("old", ms=2.0)]
    legend: Any = draw(rows, None, "").axes[0].get_legend()
    shown = [text.get_text() for text in legend.get_texts()]
    assert shown[2] == "old: 90.0 %, 2.00 ms, 80 MB"
    assert shown[0].endswith(", 80 MB, 1.00x") == shown[1].endswith(", 80 MB, 2.05x [2.01, 2.09]") == (length < 27)
    assert max(map(len, shown)) <= WIDEST_LABEL or length == 80


def rings(axes: Any) -> list[Any]:
    return [dots for dots in axes.collections if len(dots.get_offsets()) and not len(dots.get_facecolors())]


@pytest.mark.parametrize("current", ["fast", "bert", None])
def test_a_dashed_ring_is_around_the_current_optimization_alone(current: str | None) -> None:
    axes: Any = draw(FEW, current, "toy/tiny").axes[0]
    found = rings(axes)
    assert len(found) == (current is not None)
    for ring, item in zip(found, (item for item in FEW if item.optim == current), strict=True):
        place = [item.metrics["latency/mean_ms"], 100 * item.metrics["quality/accuracy"]]
        assert ring.get_offsets()[0].tolist() == pytest.approx(place)
        assert ring.get_linestyles()[0][1] is not None  # dashed
        (circle,) = [
            d for d in axes.collections if len(d.get_facecolors()) and d.get_offsets().tolist() == [pytest.approx(place)]
        ]
        assert ring.get_sizes()[0] > circle.get_sizes()[0]


def test_a_circles_area_grows_with_the_size_on_disk() -> None:
    rows = [row("bert", mb=400), row("half", 0.8, mb=200), row("tenth", 0.7, mb=40)]
    axes: Any = draw(rows, None, "").axes[0]
    areas = [float(dots.get_sizes()[0]) for dots in axes.collections if len(dots.get_offsets())]
    assert areas == pytest.approx([areas[0], areas[0] / 2, areas[0] / 10])


@pytest.mark.parametrize(
    ("slowest", "scale"), [(LOG_FROM_RATIO * 0.9, "linear"), (LOG_FROM_RATIO * 1.1, "log"), (500.0, "log")]
)
def test_the_latency_axis_is_logarithmic_only_where_latencies_span_widely(slowest: float, scale: str) -> None:
    (axes,) = draw([row("bert", ms=slowest), row("fast", ms=1.0)], None, "").axes
    assert axes.get_xscale() == scale
    low, high = axes.get_xlim()
    assert 0 <= low < 1.0 and high > slowest


@pytest.mark.parametrize("count", [1, 2, 15])
def test_png_and_svg_are_written_and_hold_the_figure(count: int, tmp_path: Path) -> None:
    save(order(crowd(count, 0)), "bert", "toy/tiny", tmp_path)
    image = matplotlib.image.imread(tmp_path / "comparison.png")
    assert image.shape[1] > image.shape[0] > 500 and image.std() > 0.01
    drawn = ElementTree.parse(tmp_path / "comparison.svg").getroot()
    collections = [node for node in drawn.iter() if node.get("id", "").startswith("PathCollection")]
    assert len(collections) >= count + 1  # a circle each, and the ring
