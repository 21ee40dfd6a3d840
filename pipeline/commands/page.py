"""Write one self-contained HTML page about an experiment or a sweep.

python -m pipeline page                                of the default data and backbone
python -m pipeline page data=clinc150                  of another experiment
python -m pipeline page sweep.id=20261126T080000_1a2b3c   of one sweep

The page loads no other files. Other settings are those of python -m pipeline.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from pipeline.commands.configuration.compose import one_config
from pipeline.config import Config


def main(arguments: Sequence[str]) -> None:
    """Takes the overrides of a run."""
    target = page(one_config(arguments))
    print(f"page: {os.path.relpath(target)}")


def page(config: Config) -> Path:
    """Write the page; returns its path. Raises UserError if there are no runs or they can't be compared."""
    from pipeline.deployment.registry import CHAMPION, Registry
    from pipeline.reporting import noise_floor
    from pipeline.reporting.page.content import gather
    from pipeline.reporting.page.render import render
    from pipeline.selection.evidence import gather as evidence
    from pipeline.system import locks
    from pipeline.tracking import server, view
    from pipeline.tracking.runs import open_experiment

    experiment, tracker = config.experiment_name, open_experiment(config)
    connection = tracker.connection
    ui = view.LOCAL_UI if connection.local else connection.uri
    title = experiment if config.sweep.id is None else f"{experiment}, sweep {config.sweep.id}"
    known = noise_floor.newest(tracker)
    noise = known.sentence() if known is not None else noise_floor.NOT_MEASURED
    with locks.shared():
        candidates = evidence(tracker.evidence(config.sweep.id), experiment, config.sweep.id)
        address = server.page(ui, fragment=f"/experiments/{tracker.experiment_id}/runs/")
        champion = Registry(connection, experiment).version_of(CHAMPION)
        content = gather(tracker, candidates, title, address, noise, config.folder("decision") / "decision.json", champion)
        name = title.replace("/", "_").replace(", ", "_").replace(" ", "_")
        target = Path(config.track.root).resolve() / "page" / f"{name}.html"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(render(content), encoding="utf-8")
    return target
