"""Measure a classifier against itself and the baseline many times, to see how numbers vary.

python -m pipeline noise                                                        the default optimization, 40 times
python -m pipeline noise optim=distillation_onnx_int8 measure.max_seconds=20        another one, 20 s each time
python -m pipeline noise noise.repetitions=10 noise.slowdown=0.05               would a slowdown of 5 % be found?

It takes up to noise.repetitions times twice measure.max_seconds, and a little more. With noise.slowdown, or of the
baseline itself, it takes half of that. Other settings are those of python -m pipeline.
"""

import os
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.commands.configuration.compose import configs, parse_arguments
from pipeline.config import Config
from pipeline.tasks.inputs import inputs_of

if TYPE_CHECKING:
    from pipeline.evaluation.noise.summary import Findings


def main(arguments: Sequence[str]) -> int:
    """Takes the overrides of a run."""
    try:
        for job in list(configs(parse_arguments(list(arguments)))):
            noise(job.config)
    except KeyboardInterrupt:
        print("interrupted: the finished repetitions are kept in noise/ under track.root", file=sys.stderr)
        return 130
    return 0


def noise(config: Config) -> None:
    """Make or reuse the artifacts, measure the optimization against itself and the baseline, store and print the findings.

    Raises UserError for a user's mistake.
    """
    from pipeline.evaluation.noise.repeat import repeat
    from pipeline.evaluation.noise.summary import Findings
    from pipeline.reporting import noise_record
    from pipeline.run import check
    from pipeline.steps.execute import run_steps
    from pipeline.system import locks
    from pipeline.tracking import view
    from pipeline.tracking.identity import config_yaml, dataset, identity, is_baseline, parameters
    from pipeline.tracking.job import prepare

    check(config)
    with locks.shared():
        job = prepare(config)
    config = job.config
    settings, splits, done = config.noise, job.context.splits, []
    own = identity(config, job.context, config.optim)
    alone = settings.slowdown > 0 or is_baseline(config, job.context, config.optim)
    with job.tracker.run(own) as run:
        noise_record.mark(job.tracker, run, config)
        run.log_start(config_yaml(config), parameters(config) | noise_record.parameters(config), dataset(config, splits))
        with locks.shared():
            artifact = run_steps(config.optim, job.context, job.store).artifact
            baseline = None if alone else run_steps(config.baseline, job.context, job.store).artifact
        folder = noise_record.folder_of(config.track.root, run.run_id)
        for each in repeat(artifact, baseline, inputs_of(splits.test), config.measure, settings):
            done.append(each)
            findings = Findings(
                config.optim.name, config.measure, settings.slowdown, tuple(each.itself for each in done),
                config.baseline.name, tuple(each.against_baseline for each in done if each.against_baseline is not None),
            )  # fmt: skip
            noise_record.write_json(findings, folder)
        with locks.shared():
            noise_record.finish(job.tracker, run, findings, folder)
    _print_findings(findings, folder, view.address(job.tracker.connection, config.track.root, job.tracker.experiment_id))


def _print_findings(findings: "Findings", folder: Path, address: str) -> None:
    from pipeline.reporting.noise_words import conclusion, legend, table

    print(f"\n{table(findings).plain()}\n\n{legend(findings)}\n\n{textwrap.fill(conclusion(findings), 120)}\n")
    print(f"plot:    {os.path.relpath(folder / 'noise.png')}")
    print(f"MLflow:  {address}")
