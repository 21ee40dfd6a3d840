"""The figure of a profile: it is written, says what it shows, and no label covers another."""

from pathlib import Path

from pipeline.evaluation.profile import Curve, Profile
from pipeline.reporting.plots.profile import draw, save

TOKENS: dict[str, tuple[float, ...]] = {
    "tokenize_ms": (0.1, 0.2, 0.5),
    "model_ms": (4, 6, 15),
    "p50_ms": (4, 6, 16),
    "calls": (20, 900, 80),
}
CLIENTS: dict[str, tuple[float, ...]] = {
    "p50_ms": (20, 21, 40, 80),
    "p95_ms": (20, 21, 40, 81),
    "p99_ms": (20, 21, 40, 82),
    "texts_per_s": (50, 98, 1234.5, 99),
}
PROFILE = Profile(
    (
        Curve("tokens", (6, 12, 40), TOKENS),
        Curve("threads", (1, 2, 3), {"p50_ms": (20, 12, 9), "p95_ms": (20, 12, 9.1)}),
        Curve("batch", (1, 2, 4), {"ms_per_text": (20, 15, 14), "texts_per_s": (50, 67, 71)}),
        Curve("clients", (1, 2, 4, 8), CLIENTS),
    )
)


def test_it_is_written_as_png_and_svg(tmp_path: Path) -> None:
    save(PROFILE, "distilbert", tmp_path)
    assert (tmp_path / "profile.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in (tmp_path / "profile.svg").read_bytes()


def test_each_panel_says_what_it_shows_and_no_label_covers_another() -> None:
    figure = draw(PROFILE, "distilbert")
    figure.draw_without_rendering()
    assert len(figure.axes) == 4
    for axes in figure.axes:
        assert axes.get_title(loc="left").endswith("?") and "ms" in axes.get_ylabel() and axes.get_xlabel()
        boxes = [text.get_window_extent() for text in axes.texts]
        assert boxes and not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
        assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)


def test_the_clients_throughput_is_told_beside_their_number() -> None:
    labels = [label.get_text() for label in draw(PROFILE, "x").axes[3].get_xticklabels()]
    assert labels == ["1\n50/s", "2\n98/s", "4\n1,234/s", "8\n99/s"]


def test_one_core_and_texts_of_one_length_are_drawn_too() -> None:
    curves = {curve.name: curve for curve in PROFILE.curves}
    first = {name: Curve(name, c.x[:1], {key: values[:1] for key, values in c.series.items()}) for name, c in curves.items()}
    draw(Profile(tuple(first.values())), "x").draw_without_rendering()
