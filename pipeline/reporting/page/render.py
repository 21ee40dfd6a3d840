"""The content of a page -> HTML, with the template page.html."""

from datetime import UTC, datetime
from pathlib import Path

import jinja2

from pipeline.reporting.page import scatter
from pipeline.reporting.page.content import Content


def render(content: Content) -> str:
    """The page as HTML text."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )  # fmt: skip
    trained = [each for each in content.rows if each.quality is not None]
    x, y = scatter.axes(trained) if trained else (None, None)
    return environment.get_template("page.html").render(
        content=content, now=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", width=scatter.WIDTH, height=scatter.HEIGHT,
        x=x, y=y, points=scatter.points(trained, x, y) if x and y else [], **scatter.boxes(content.rows),
    )  # fmt: skip
