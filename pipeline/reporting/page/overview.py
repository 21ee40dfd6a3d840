"""The overview of a data set -> one self-contained HTML page, with the template overview.html."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import jinja2

from pipeline.evaluation.overview.examine import Overview
from pipeline.reporting.overview_text import shown_words, summary
from pipeline.reporting.page.scatter import BOTTOM, LEFT, RIGHT, TOP, WIDTH, Axis

HEIGHT = 300  # of the plot of lengths
LINE = 22  # height of a bar of the plot of labels
NAMES = 190  # width of the names beside the bars
MAX_BARS = 60
MAX_WORDS = 5


@dataclass(frozen=True)
class Bar:
    """A rectangle with its words."""

    x: float
    y: float
    width: float
    height: float
    tooltip: str
    name: str = ""


def render(overview: Overview) -> str:
    """The page as HTML text."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )  # fmt: skip
    x, y, bins = lengths(overview)
    longest = x.place(min(overview.lengths.max_length, x.high))
    return environment.get_template("overview.html").render(
        overview=overview, summary=summary(overview),
        now=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", width=WIDTH, height=HEIGHT, x=x, y=y, bins=bins,
        cut_at=longest if overview.lengths.max_length < x.high else None, bars=sizes(overview), line=LINE, names=NAMES,
        words={label: shown_words(words, MAX_WORDS) for label, words in overview.words.items()},
    )  # fmt: skip


def lengths(overview: Overview) -> tuple[Axis, Axis, list[Bar]]:
    """The axes of the histogram of lengths, tokens and texts, and its bars."""
    found = overview.lengths
    x = Axis(found.edges[0], max(found.edges[-1], found.edges[0] + 1), LEFT, WIDTH - RIGHT, logarithmic=False)
    y = Axis(0, max(found.counts), HEIGHT - BOTTOM, TOP, logarithmic=False)
    bars = []
    for low, high, count in zip(found.edges, found.edges[1:], found.counts, strict=False):
        left, top = x.place(low), y.place(count)
        tooltip = f"{low:.0f} to {high:.0f} tokens: {count:,} texts"
        bars.append(Bar(left, top, round(max(1.0, x.place(high) - left - 1), 1), round(y.start - top, 1), tooltip))
    return x, y, bars


def sizes(overview: Overview) -> list[Bar]:
    """One bar a label, by its number of training texts; at most MAX_BARS."""
    most = max(each.texts["train"] for each in overview.labels)
    room = WIDTH - NAMES - 90
    return [
        Bar(
            NAMES, number * LINE + 4.0, round(max(1.0, room * each.texts["train"] / most), 1), LINE - 8.0,
            ", ".join(f"{count:,} {name}" for name, count in each.texts.items()), each.label,
        )
        for number, each in enumerate(overview.labels[:MAX_BARS])
    ]  # fmt: skip
