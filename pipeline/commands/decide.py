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

import os
from collections.abc import Sequence

from pipeline.commands.configuration.compose import one_config
from pipeline.config import Config

NONE_CONFIRMED = 3


def main(arguments: Sequence[str]) -> int:
    """Takes the overrides of a run."""
    return decide(one_config(arguments))


def decide(config: Config) -> int:
    """Decide, register, print; returns the exit code. Raises UserError for a user's mistake."""
    from dataclasses import replace

    from pipeline.deployment.ship import ship
    from pipeline.reporting import noise_floor, summary, tables
    from pipeline.reporting.decision import write
    from pipeline.selection.decision import decide as choose
    from pipeline.selection.evidence import gather
    from pipeline.system import locks
    from pipeline.tracking import view
    from pipeline.tracking.confirmations import count_confirmation
    from pipeline.tracking.runs import open_experiment
    from pipeline.tracking.server import as_track_error

    experiment, tracker = config.experiment_name, open_experiment(config)
    with locks.shared():
        gathered = gather(tracker.evidence(config.sweep.id), experiment, config.sweep.id)
        with as_track_error(tracker.connection):
            candidates = [
                replace(each, evidence=tuple(tracker.evidence_of(row.run_id) for row in each.rows)) for each in gathered
            ]
        decision = choose(experiment, candidates, config.constraints, config.decide)
        if decision.picked is not None:
            judged = f"{decision.given_constraints()} {config.decide.strict}"
            with as_track_error(tracker.connection):
                count = count_confirmation(tracker.client, tracker.experiment_id, decision.picked.best_run().run_id, judged)
            decision = replace(decision, confirmations=count)
        explained = noise_floor.explanation(tracker, [row for candidate in candidates for row in candidate.rows])
        others = [candidate for candidate in candidates if candidate is not decision.chosen]
        lines = [f"not {candidate.name}: {decision.why_not(candidate)}" for candidate in others]
        print(summary.summary_text(tables.table(decision.rows()), lines, explained if config.explain else ""))
        if decision.notes:
            print("".join(f"\nnote: {note}" for note in decision.notes))
        print(f"\n{decision.verdict()}")
        if decision.reported():
            print(decision.reported())
        if decision.chosen is not None and not config.decide.dry_run:
            with as_track_error(tracker.connection):
                decision = replace(decision, registered=ship(decision, config, tracker))
            print(f"registered: {decision.registered}")
        folder = config.folder("decision")
        if config.decide.dry_run:  # keep the files of the real decision
            folder = folder.with_name(f"{folder.name}_dry_run")
        write(decision, folder, explained)
        if decision.chosen is not None and decision.registered is not None:
            with as_track_error(tracker.connection):
                tracker.client.log_artifacts(decision.chosen.best_run().run_id, str(folder), "decision")
    print(f"page:       {os.path.relpath(folder / 'decision.md')}")
    print(f"plot:       {os.path.relpath(folder / 'comparison.png')}")
    print(f"MLflow:     {view.address(tracker.connection, config.track.root, tracker.experiment_id)}")
    next_command = summary.command("predict", ["a text", "--"]) if decision.registered else summary.command("compare")
    print(f"next:       {next_command}")
    return 0 if decision.chosen is not None else NONE_CONFIRMED
