"""A classifier measured against itself, again and again: what the numbers of this machine are worth.

python -m pipeline.noise                                                        the default optimization, 40 times
python -m pipeline.noise optim=distillation_ort_int8 measure.budget_s=20        another one, 20 s each time
python -m pipeline.noise noise.repetitions=10 noise.slowdown=0.05               is a slowdown of 5 % found?

It takes noise.repetitions times measure.budget_s and a little more, and the same overrides as the program itself.
"""

import logging
import os
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli import HELP_FLAGS, configs, guarded, parse_arguments
from pipeline.config import Config

if TYPE_CHECKING:
    from pipeline.noise.figures import Findings


def main() -> None:
    """The entry point of `python -m pipeline.noise`; ends with the exit codes of the program itself."""
    if HELP_FLAGS & set(sys.argv[1:]):
        print(__doc__)
        return
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the program itself does: the artifact may have to be trained
    logging.basicConfig(format="%(message)s")
    logging.getLogger("pipeline").setLevel(logging.INFO)
    sys.exit(guarded(lambda: _each(sys.argv[1:])))


def _each(arguments: list[str]) -> int:
    try:
        for job in list(configs(parse_arguments(arguments))):
            noise(job.config)
    except KeyboardInterrupt:
        print("interrupted: the repetitions measured so far are kept in noise/ under track.root", file=sys.stderr)
        return 130
    return 0


def noise(config: Config) -> None:
    """Make the optimization's artifact or find it, measure it against itself, keep and tell what came of it.

    Raises UserError for what the user can mend.
    """
    from pipeline import turns
    from pipeline.check import check
    from pipeline.describe import config_yaml, dataset, identity, parameters
    from pipeline.measure.session import draw
    from pipeline.noise import record
    from pipeline.noise.figures import Findings
    from pipeline.noise.repeat import repeat
    from pipeline.optimize import carry_out
    from pipeline.prepare import prepare
    from pipeline.track import view

    check(config)
    with turns.working():
        job = prepare(config)
    settings, splits, done = config.noise, job.context.splits, []
    with job.tracker.run(identity(config, job.context, config.optim)) as run:
        record.mark(job.tracker, run, config)
        run.log_start(config_yaml(config), parameters(config) | record.parameters(config), dataset(config, splits))
        with turns.working():
            artifact = carry_out(config.optim, job.context, job.store).artifact
        queries, folder = draw(list(splits.test["text"]), config.measure), record.folder_of(config.track.root, run.run_id)
        for repetition in repeat(artifact, queries, config.measure, settings):
            done.append(repetition)
            findings = Findings(config.optim.name, config.measure, settings.slowdown, tuple(done))
            record.write_json(findings, folder)
        with turns.working():
            record.finish(job.tracker, run, findings, folder)
    _tell(findings, folder, view.address(job.tracker.connection, config.track.root, job.tracker.experiment_id))


def _tell(findings: "Findings", folder: Path, address: str) -> None:
    from pipeline.noise.figures import legend, table
    from pipeline.noise.words import conclusion

    print(f"\n{table(findings).plain()}\n\n{legend(findings)}\n\n{textwrap.fill(conclusion(findings), 120)}\n")
    print(f"plot:    {os.path.relpath(folder / 'noise.png')}")
    print(f"MLflow:  {address}")


if __name__ == "__main__":
    main()
