"""Choose the optimization to ship on validation, confirm it on test, register it, say why.

python -m pipeline decide data=clinc150 constraints.size_mb=30 constraints.accuracy_loss=0.01
python -m pipeline decide decide.prefer=size constraints.min_accuracy=0.9 decide.dry_run=true
python -m pipeline decide decide.only=student_2l constraints.accuracy_loss=0.01   only confirm this one on test
python -m pipeline decide sweep.id=20261126T080000_1a2b3c constraints.speedup=5

The validation split chooses. The one chosen must keep the constraints on the test split too; if it does not,
nothing is shipped, and no other is tried. Confirmations on the same test split are counted, dry runs too.

Exit codes: 0 an optimization was chosen and confirmed; 3 none keeps the constraints, or test did not confirm it;
2 a mistake, no runs, or runs that can't be compared. Other settings are those of python -m pipeline;
conf/config.yaml explains the constraints.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.commands.configuration.compose import one_config
from pipeline.config import Config

if TYPE_CHECKING:
    from pipeline.selection.candidate import Candidate
    from pipeline.selection.decision import Decision
    from pipeline.tracking.runs import Tracker

NONE_CONFIRMED = 3


def main(arguments: Sequence[str]) -> int:
    """Takes the overrides of a run."""
    return decide(one_config(arguments))


def decide(config: Config) -> int:
    """Decide, register, print; returns the exit code. Raises UserError for a user's mistake."""
    from pipeline.reporting import noise_floor
    from pipeline.reporting.decision import write
    from pipeline.system import locks
    from pipeline.tracking.runs import open_experiment

    tracker = open_experiment(config)
    with locks.shared():
        decision = _judge(config, tracker)
        explained = noise_floor.explanation(tracker, [row for candidate in decision.candidates for row in candidate.rows])
        _tell(decision, explained if config.explain else "")
        if decision.chosen is not None and not config.decide.dry_run:
            decision = _register(decision, config, tracker)
        folder = config.folder("decision")
        if config.decide.dry_run:  # keep the files of the real decision
            folder = folder.with_name(f"{folder.name}_dry_run")
        write(decision, folder, explained)
        _keep(decision, folder, tracker)
    _tell_places(decision, folder, config, tracker)
    return 0 if decision.chosen is not None else NONE_CONFIRMED


def _judge(config: Config, tracker: "Tracker") -> "Decision":
    """Choose on validation and confirm on test; the confirmation is counted."""
    from pipeline.selection.decision import decide as choose
    from pipeline.selection.evidence import gather
    from pipeline.tracking.confirmations import count_confirmation
    from pipeline.tracking.server import as_track_error

    experiment = config.experiment_name
    gathered = gather(tracker.evidence(config.sweep.id), experiment, config.sweep.id)
    with as_track_error(tracker.connection):
        candidates = [
            replace(each, evidence=tuple(tracker.evidence_of(row.run_id) for row in each.rows)) for each in gathered
        ]
    decision = choose(experiment, candidates, config.constraints, config.decide)
    if decision.picked is None:
        return decision
    judged = f"{decision.given_constraints()} {config.decide.strict}"
    with as_track_error(tracker.connection):
        count = count_confirmation(tracker.client, tracker.experiment_id, decision.picked.best_run().run_id, judged)
    return replace(decision, confirmations=count)


def _tell(decision: "Decision", explained: str) -> None:
    """Print the table, why not each other candidate, the notes and the verdict."""
    from pipeline.reporting import summary, tables

    others = [candidate for candidate in decision.candidates if candidate is not decision.chosen]
    lines = [f"not {candidate.name}: {decision.why_not(candidate)}" for candidate in others]
    print(summary.summary_text(tables.table(decision.rows()), lines, explained))
    if decision.notes:
        print("".join(f"\nnote: {note}" for note in decision.notes))
    print(f"\n{decision.verdict()}")
    if decision.reported():
        print(decision.reported())


def _register(decision: "Decision", config: Config, tracker: "Tracker") -> "Decision":
    from pipeline.deployment.ship import ship
    from pipeline.tracking.server import as_track_error

    with as_track_error(tracker.connection):
        registered = ship(decision, config, tracker)
    print(f"registered: {registered}")
    return replace(decision, registered=registered)


def _keep(decision: "Decision", folder: Path, tracker: "Tracker") -> None:
    """Log the page and the plot with the run that was registered."""
    from pipeline.tracking.server import as_track_error

    if decision.chosen is not None and decision.registered is not None:
        with as_track_error(tracker.connection):
            tracker.client.log_artifacts(decision.chosen.best_run().run_id, str(folder), "decision")


def _tell_places(decision: "Decision", folder: Path, config: Config, tracker: "Tracker") -> None:
    from pipeline.reporting import summary
    from pipeline.tracking import view

    print(f"page:       {os.path.relpath(folder / 'decision.md')}")
    print(f"plot:       {os.path.relpath(folder / 'comparison.png')}")
    print(f"MLflow:     {view.address(tracker.connection, config.track.root, tracker.experiment_id)}")
    shipped = decision.chosen if decision.registered else None
    asked = summary.command("compare") if shipped is None else summary.command("predict", [example(shipped), "--"])
    print(f"next:       {asked}")


def example(shipped: "Candidate") -> str:
    """What `predict` may be asked: a text, or a pair of texts where those that were answered are pairs."""
    from pipeline.tasks.inputs import parts_of, to_json

    texts = next((run.texts for run in shipped.evidence if run.texts), ("",))
    return "a text" if len(parts_of(texts[0])) == 1 else json.dumps(to_json(("a text", "another")))
