"""One self-contained HTML page of an experiment or a sweep: to read, to print, to send.

python -m pipeline.page                                of the default data and backbone
python -m pipeline.page data=clinc150                  of another experiment
python -m pipeline.page sweep.id=20261126T080000_1a2b3c   of one sweep

It loads nothing from anywhere. Other settings are those of python -m pipeline.
"""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.config import Config


def page(config: Config) -> Path:
    """Write the page; returns where. Raises UserError where there is nothing to show, or the runs don't compare."""
    from pipeline import turns
    from pipeline.decide.__main__ import folder_of
    from pipeline.decide.evidence import gather as evidence
    from pipeline.errors import TrackError
    from pipeline.noise import floor
    from pipeline.page.content import gather
    from pipeline.track.runs import NOTHING_YET, Tracker
    from pipeline.track.server import connect, is_fresh

    experiment = f"{config.data.name}/{config.backbone.name}"
    if is_fresh(config.track):
        raise TrackError(NOTHING_YET.format(experiment))
    connection = connect(config.track)
    tracker = Tracker(connection, experiment, create=False)
    ui = "http://127.0.0.1:5000" if connection.local else connection.shown_uri.rstrip("/")
    title = experiment if config.sweep.id is None else f"{experiment}, sweep {config.sweep.id}"
    known = floor.newest(tracker)
    noise = known.sentence() if known is not None else floor.NOT_MEASURED
    with turns.working():
        candidates = evidence(tracker, config.sweep.id)
        address = f"{ui}/#/experiments/{tracker.experiment_id}/runs/"
        content = gather(tracker, candidates, title, address, noise, folder_of(config) / "decision.json")
        target = (
            Path(config.track.root).resolve()
            / "page"
            / f"{title.replace('/', '_').replace(', ', '_').replace(' ', '_')}.html"
        )
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(render(content), encoding="utf-8")
    return target


def render(content: Any) -> str:
    """The page as text."""
    import jinja2

    from pipeline.page import scatter

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


def main() -> None:
    """The entry point; takes the same overrides as the program itself."""
    from pipeline.cli import entry

    entry(__doc__, lambda config: print(f"page: {os.path.relpath(page(config))}"))


if __name__ == "__main__":
    main()
