"""The page: where points lie, what is escaped, what is said without a decision; the browser is not asked here."""

import re
from dataclasses import replace
from typing import Any

import pytest

from pipeline.reporting.page.content import Content, PageRow
from pipeline.reporting.page.render import render
from pipeline.reporting.page.scatter import CHARACTER, HEIGHT, TOP, WIDTH, Axis, axes, boxes, points, radius


def page_row(name: str, ms: float = 2.0, accuracy: float = 0.9, mb: float = 20.0, **more: Any) -> PageRow:
    plain = PageRow(name, f"http://127.0.0.1:5000/{name}", False, False, {"mean ms": f"{ms:.2f}"}, ms, accuracy, mb)
    return replace(plain, **more)


BASELINE = page_row("bert", 8.0, 0.92, 80.0, is_baseline=True, quantiles_ms=(7.0, 7.5, 8.0, 8.5, 9.0, 12.0))
FLIP = {"kind": "lost", "text": "<script>alert(1)</script>", "label": "a&b", "baseline": "a&b", "candidate": "c"}
SMALL = page_row(
    "small", 1.0, 0.91, 20.0, lost=5, gained=3, flips=(FLIP,), on_front=True, quantiles_ms=(0.9, 1.0, 1.0, 1.1, 1.3, 2.0)
)
CONTENT = Content("toy/<tiny>", (BASELINE, SMALL), ("mean: of all calls.",), {"machine": "one"}, None, ("mean ms",))


def test_an_axis_goes_from_its_start_to_its_end_with_round_ticks_between() -> None:
    latency = Axis(0.8, 9.0, 0, 900, logarithmic=True)
    assert latency.place(0.8) == 0 and latency.place(9.0) == 900
    assert [text for _, text in latency.ticks()] == ["1", "2", "5"]
    accuracy = Axis(90.5, 92.5, 460, 20, logarithmic=False)
    assert [text for _, text in accuracy.ticks()] == ["90.5", "91", "91.5", "92", "92.5"][: len(accuracy.ticks())]
    assert accuracy.place(92.5) == 20
    for low, high in ((84.4, 93.1), (0.0, 100.0), (90.0, 90.9), (89.51, 90.49)):
        assert 2 <= len(Axis(low, high, 0, 1, logarithmic=False).ticks()) <= 10


@pytest.mark.parametrize("several", [[BASELINE], [BASELINE, SMALL], [page_row(f"twin {i}") for i in range(12)]])
def test_every_point_lies_within_and_no_label_covers_another(several: list[PageRow]) -> None:
    found = points(several, *axes(several))
    assert all(0 < point.x < WIDTH and TOP <= point.y < HEIGHT for point in found)
    places = [(point.label_x, point.label_y) for point in found]
    assert all(abs(a[1] - b[1]) >= 14 or abs(a[0] - b[0]) > 40 for i, a in enumerate(places) for b in places[:i])


def test_where_labels_have_no_room_each_point_still_has_one() -> None:
    many = [page_row(f"one of a great many settings {i}", 2.0 + i / 1000) for i in range(80)]
    assert len(points(many, *axes(many))) == 80


def test_a_circles_area_is_as_its_size() -> None:
    assert radius(BASELINE, [BASELINE, SMALL]) == pytest.approx(2 * radius(SMALL, [BASELINE, SMALL]))


def test_the_page_escapes_what_it_shows_and_loads_nothing() -> None:
    page = render(CONTENT)
    assert "<script>alert(1)" not in page and "&lt;script&gt;alert(1)" in page and "toy/&lt;tiny&gt;" in page
    assert not re.search(r"src=|@import|url\(|<link", page) and "default-src 'none'" in page
    assert 'id="decision"' not in page and "5 lost, 3 gained" in page and page.count('<circle class="dot') == 2
    assert 'class="dot baseline"' in page and 'class="dot front"' in page


def test_the_page_shows_the_worst_and_the_rarest_classes_where_a_run_has_them() -> None:
    assert 'id="classes"' not in render(CONTENT)
    one = {
        "class": "<refund>", "texts": "12", "few": "few", "recall": "41.7%", "baseline_recall": "75.0%", "lost": "5",
        "gained": "1", "holm_p": "", "precision": "",
    }  # fmt: skip
    page = render(replace(CONTENT, rows=(BASELINE, replace(SMALL, classes=(one,)))))
    for part in ("lowest recall 41.7% (&lt;refund&gt;, 12 texts)", "<td>12 few</td>", "<td>75.0%</td>"):
        assert part in page


def test_the_page_says_what_was_decided() -> None:
    decision = {
        "chosen": "small", "verdict": "ship small: it is the best", "prefer": "size",
        "reported": "accuracy 90 % is the one to report", "notes": ["p95 is in ms of a minute"],
        "registered": {"model": "toy-tiny", "version": "1", "checked": "it says the same"},
        "constraints": {"size_mb": 30}, "candidates": [{"name": "bert", "why_not": "size 80.0 MB, at most 30 MB"}],
    }  # fmt: skip
    page = render(replace(CONTENT, decision=decision))
    for part in (
        "ship small: it is the best",
        "toy-tiny version 1; it says the same",
        "accuracy 90 % is the one to report.",
        "p95 is in ms of a minute.",
        "the Pareto front of the point estimates",
        "size_mb=30",
        "size 80.0 MB, at most 30 MB",
        'class="chosen"',
    ):
        assert part in page


def test_the_boxes_leave_room_for_long_names() -> None:
    long = replace(BASELINE, name="n" * 40, quantiles_ms=(1.0, 2.0, 3.0, 4.0, 5.0, 6.0))
    axis: Any = boxes([long])["boxes_axis"]
    assert axis.start - 10 >= 40 * CHARACTER


def test_the_trade_off_names_the_quality_that_it_shows() -> None:
    page = render(replace(CONTENT, quality="micro F1"))
    assert "<h2>Micro F1 over latency</h2>" in page and ">micro F1 %</text>" in page


def test_without_any_accuracy_there_is_no_trade_off_to_draw() -> None:
    page = render(replace(CONTENT, rows=(replace(BASELINE, quality=None),)))
    assert "<svg" in page and 'class="dot' not in page and 'id="tradeoff"' not in page
