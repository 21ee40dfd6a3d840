"""The content of a page -> HTML, by the template beside this file."""

from datetime import UTC, datetime
from pathlib import Path

import jinja2

from pipeline.reporting.page import scatter
from pipeline.reporting.page.content import Content


def render(content: Content) -> str:
    """The page as text."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )  # fmt: skip
    judged = [each for each in content.shown if each.accuracy is not None]
    x, y = scatter.axes(judged) if judged else (None, None)
    return environment.get_template("page.html").render(
        content=content, now=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", width=scatter.WIDTH, height=scatter.HEIGHT,
        x=x, y=y, drawn=scatter.drawn(judged, x, y) if x and y else [], **scatter.spread(content.shown),
    )  # fmt: skip
