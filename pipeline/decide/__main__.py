"""Which optimization to ship: the best that keeps a budget, registered as the champion, every other explained.

python -m pipeline.decide data=clinc150 budget.size_mb=30 budget.latency_p95_ms=3 budget.accuracy_loss=0.01
python -m pipeline.decide prefer=size budget.min_accuracy=0.9 dry_run=true
python -m pipeline.decide only=student_2l budget.accuracy_loss=0.01             may this one be shipped? the exit code tells
python -m pipeline.decide sweep.id=20261126T080000_1a2b3c budget.speedup=5

Exit codes: 0 one was chosen, 3 none keeps the budget, 2 a mistake: nothing to decide on, or runs that don't compare. Other
settings are those of python -m pipeline; the bounds are explained in conf/config.yaml.
"""

import os
from pathlib import Path

from pipeline.config import Config

NOTHING = 3


def decide(config: Config) -> int:
    """Decide, register, tell; returns the exit code. Raises UserError for what the user can mend."""
    from dataclasses import replace

    from pipeline import turns
    from pipeline.decide.decision import decide as decided
    from pipeline.decide.evidence import gather
    from pipeline.decide.ship import ship
    from pipeline.errors import TrackError
    from pipeline.noise import floor
    from pipeline.track.runs import NOTHING_YET, Tracker
    from pipeline.track.server import connect, in_one_line, is_fresh

    experiment = f"{config.data.name}/{config.backbone.name}"
    if is_fresh(config.track):
        raise TrackError(NOTHING_YET.format(experiment))
    tracker = Tracker(connect(config.track), experiment, create=False)
    with turns.working():
        candidates = gather(tracker, config.sweep.id)
        decision = decided(experiment, candidates, config.budget, config.prefer, config.strict, config.dry_run, config.only)
        explained = floor.explained(tracker, [row for candidate in candidates for row in candidate.rows])
        for candidate in candidates:
            if candidate is not decision.chosen:
                print(f"not {candidate.name}: {decision.why_not(candidate)}")
        print(f"\n{decision.verdict()}")
        if decision.chosen is not None and not config.dry_run:
            with in_one_line(tracker.connection):
                decision = replace(decision, registered=ship(decision, config, tracker))
            print(f"registered: {decision.registered}")
        folder = folder_of(config)
        if config.dry_run:  # what ships stays beside it
            folder = folder.with_name(f"{folder.name}_dry_run")
        decision.write(folder, explained)
        if decision.chosen is not None and decision.registered is not None:
            with in_one_line(tracker.connection):
                tracker.client.log_artifacts(decision.chosen.best_run().run_id, str(folder), "decision")
    print(f"page:       {os.path.relpath(folder / 'decision.md')}")
    return 0 if decision.chosen is not None else NOTHING


def folder_of(config: Config) -> Path:
    """Where an experiment's newest decision lies, outside MLflow."""
    return Path(config.track.root).resolve() / "decision" / f"{config.data.name}_{config.backbone.name}".replace("/", "_")


def main() -> None:
    """The entry point; takes the same overrides as the program itself."""
    from pipeline.cli import entry

    entry(__doc__, decide)


if __name__ == "__main__":
    main()
