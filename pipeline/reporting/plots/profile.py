"""The profile of a classifier as one figure with four panels, whose titles say what they show.

The panels are time by tokens (tokenizer and model apart), by threads (with the ideal speed-up), by batch size, and by
concurrent clients.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from pipeline.evaluation.profile import Curve, Profile
from pipeline.reporting.plots.style import BLUE, GREY, ORANGE, RED, hide_spines, new_figure, save_figure

LINE_HEIGHT = 0.06  # of a label's text, as a share of the panel's height


class Line(NamedTuple):
    """A line of a panel, with its label at the right end."""

    label: str
    y: Sequence[float]
    colour: str
    style: str = "o-"


def save(profile: Profile, title: str, folder: Path) -> None:
    """Write profile.png and profile.svg."""
    save_figure(draw(profile, title), folder, "profile")


def draw(profile: Profile, title: str) -> Figure:
    """The figure."""
    figure = new_figure(12, 8)
    figure.suptitle(f"Where the time goes: {title}", x=0.01, ha="left", fontsize=14)
    panels = {"tokens": _tokens, "threads": _threads, "batch": _batch, "clients": _clients}
    grid = figure.subplots(2, 2, gridspec_kw={"wspace": 0.08, "hspace": 0.1})
    places = dict(zip(panels, grid.flat, strict=True))
    for curve in profile.curves:
        panels[curve.name](places[curve.name], curve)
    return figure


def _tokens(axes: Any, curve: Curve) -> None:
    tokenizer = curve.series["tokenize_ms"]
    both = [sum(parts) for parts in zip(tokenizer, curve.series["model_ms"], strict=True)]
    axes.fill_between(curve.x, 0, tokenizer, color=ORANGE, alpha=0.35, linewidth=0)
    axes.fill_between(curve.x, tokenizer, both, color=BLUE, alpha=0.15, linewidth=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_title("How does the time depend on the number of tokens?", loc="left")
    axes.set_xlabel("tokens in the text (words and word pieces)")
    axes.set_ylabel("median time (ms)")
    _draw(
        axes, curve.x, [Line("the model's part,\non top of it", both, BLUE), Line("the tokenizer's part", tokenizer, ORANGE)]
    )


def _threads(axes: Any, curve: Curve) -> None:
    median = curve.series["p50_ms"]
    ideal = [median[0] * curve.x[0] / threads for threads in curve.x]
    axes.set_title("Do more threads make it faster?", loc="left")
    axes.set_xlabel("threads that work on one text, each on its own core")
    axes.set_ylabel("time for one text (ms)")
    _doubling(axes, [str(threads) for threads in curve.x], curve.x)
    lines = [
        Line("95 of 100 texts\ntake less", curve.series["p95_ms"], ORANGE),
        Line("half of them\ntake less", median, BLUE),
    ]
    _draw(axes, curve.x, [*lines, Line("at best: twice the\nthreads, half the time", ideal, GREY, "--")])


def _batch(axes: Any, curve: Curve) -> None:
    axes.set_title("Are batches faster than single texts?", loc="left")
    axes.set_xlabel("texts in a batch (batch size)")
    axes.set_ylabel("time for each text of the batch (ms)")
    _doubling(axes, [str(size) for size in curve.x], curve.x)
    _draw(axes, curve.x, [Line("mean of all texts", curve.series["ms_per_text"], BLUE)])


def _clients(axes: Any, curve: Curve) -> None:
    axes.set_title("How long does a client wait with several clients at once?", loc="left")
    axes.set_xlabel("clients at once; below, texts per second")
    axes.set_ylabel("time until the answer (ms)")
    speeds = curve.series["texts_per_s"]
    _doubling(axes, [f"{count}\n{_rounded(speed)}/s" for count, speed in zip(curve.x, speeds, strict=True)], curve.x)
    slow = [
        Line(f"{which} of 100 answers\ncome sooner", curve.series[f"p{which}_ms"], RED if which == 99 else ORANGE)
        for which in (99, 95)
    ]
    _draw(axes, curve.x, [*slow, Line("half of them\ncome sooner", curve.series["p50_ms"], BLUE)])


def _rounded(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _doubling(axes: Any, labels: Sequence[str], x: Sequence[int]) -> None:
    """An axis with one step for each doubling; only measured values have labels."""
    axes.set_xscale("log", base=2)
    axes.set_xticks(list(x), labels)
    axes.xaxis.set_minor_locator(NullLocator())


def _draw(axes: Any, x: Sequence[int], lines: Sequence[Line]) -> None:
    """The lines from 0 upwards, each with its label beside its end."""
    for line in lines:
        axes.plot(x, line.y, line.style, color=line.colour, linewidth=1.8, markersize=5)
    top = 1.1 * max(max(line.y) for line in lines)
    axes.set_ylim(0, top)
    axes.grid(color="0.92", zorder=0)
    axes.set_axisbelow(True)
    hide_spines(axes)
    _names(axes, lines, [line.y[-1] / top for line in lines])


def _names(axes: Any, lines: Sequence[Line], ends: Sequence[float]) -> None:
    """Place labels near the ends of their lines without overlap: first move them up, then down from the panel's top."""
    halves = [LINE_HEIGHT * (1 + line.label.count("\n")) / 2 for line in lines]
    upwards = sorted(range(len(lines)), key=lambda i: (ends[i], -i))  # at one height, the first line's label is on top
    places, floor, ceiling = dict(enumerate(ends)), 0.0, 1.0
    for i in upwards:
        places[i] = max(places[i], floor + halves[i])
        floor = places[i] + halves[i]
    for i in reversed(upwards):
        places[i] = min(places[i], ceiling - halves[i])
        ceiling = places[i] - halves[i]
        axes.text(1.02, places[i], lines[i].label, color=lines[i].colour, fontsize=9, va="center", transform=axes.transAxes)
