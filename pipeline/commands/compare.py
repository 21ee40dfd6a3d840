"""Draw the table and the plots again, from the runs in MLflow.

python -m pipeline compare                    of the default data and backbone
python -m pipeline compare data=clinc150      of another experiment
python -m pipeline compare --explain          explains each column
"""

import os
from collections.abc import Sequence

from pipeline.commands.configuration.compose import one_config
from pipeline.config import Config


def main(arguments: Sequence[str]) -> None:
    """Takes the overrides of a run."""
    compare(one_config(arguments))


def compare(config: Config) -> None:
    """Table and plots of the runs comparable with the experiment's newest one. Raises TrackError if there is no run."""
    from pipeline.errors import no_finished_run
    from pipeline.reporting import noise_floor, summary, tables
    from pipeline.system import locks
    from pipeline.tracking import view
    from pipeline.tracking.runs import open_experiment

    tracker = open_experiment(config)
    comparable = tracker.newest_comparable()
    if comparable is None:
        raise no_finished_run(config.experiment_name)
    rows = tracker.rows(comparable)
    explained = noise_floor.explanation(tracker, rows)
    folder = config.folder("comparison")
    with locks.shared():
        table = tables.write(rows, None, config.experiment_name, folder, explained)
    text = summary.summary_text(
        table,
        summary.comparison_lines(rows),
        explained if config.explain else "",
        plot=f"{os.path.relpath(folder / 'comparison.png')}, speedup.png in the same directory",
        MLflow=view.address(tracker.connection, config.track.root, tracker.experiment_id),
        next=summary.command("decide"),
    )
    print(text)
