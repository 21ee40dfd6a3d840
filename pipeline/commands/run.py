"""Run one optimization, or a sweep with -m: make or load, measure, track, compare.

python -m pipeline optim=distilbert                     the word run can be left out
python -m pipeline -m optim=baseline,distilbert         a sweep
python -m pipeline --cfg job                            the whole configuration, resolved

python -m pipeline help lists the choices.
"""

import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

from pipeline.commands.configuration.compose import (
    Composed,
    configs,
    open_keys,
    parse_arguments,
    quoted,
    shown_command,
    to_config,
    with_steps_in_name,
)
from pipeline.commands.configuration.raw_text import keep_text
from pipeline.config import CONF
from pipeline.errors import ConfigError
from pipeline.sweep.record import Record, varying_keys

BASIC_SWEEPER = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"  # knows all its jobs from the start


def main(argv: Sequence[str]) -> int:
    """Let Hydra run the job or the sweep; returns the exit code."""
    sys.argv = [sys.argv[0], *keep_text(argv)]  # Hydra reads sys.argv
    os.environ["HYDRA_FULL_ERROR"] = "1"  # exceptions reach `cli.run_guarded` unchanged
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    import hydra

    arguments = parse_arguments(sys.argv[1:])
    run = hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
    if arguments.hydra_help or arguments.shell_completion or arguments.info:
        run(lambda cfg: None)()
        return 0
    jobs = list(configs(arguments))
    if not jobs:
        raise ConfigError(f"the sweep has no job: {' '.join(arguments.overrides)} matches nothing in conf/")
    if arguments.cfg == "job" and not arguments.resolve:
        sys.argv.append("--resolve")
    if arguments.multirun and not arguments.cfg:
        return _sweep(arguments, jobs, run)
    failures: list[Exception] = []

    def job(cfg: Any) -> None:
        try:
            from pipeline.run import run as run_optimization

            run_optimization(with_steps_in_name(to_config(cfg), arguments.overrides))
        except Exception as error:  # printed by `run_guarded`, without Hydra's message around it
            failures.append(error)

    run(job)()
    for error in failures:
        raise error
    return 0


def _sweep(arguments: Any, jobs: list[Composed], run: Callable[..., Callable[[], Any]]) -> int:
    from pipeline.sweep.check import check_jobs
    from pipeline.sweep.job import measure_all
    from pipeline.sweep.lifecycle import finish_sweep, start_sweep

    open_settings = open_keys(arguments)
    check_jobs([job.config for job in jobs], all_jobs_known=not open_settings)
    keys = sorted(varying_keys([job.overrides for job in jobs]) | open_settings)
    sweep = start_sweep([job.config for job in jobs], keys, shown_command(sys.argv[1:]), all_jobs_known=not open_settings)
    interrupted = True
    with tempfile.TemporaryDirectory() as folder:  # Hydra's files; MLflow keeps the same without passwords
        own = [f"sweep.id={sweep.record.sweep_id}", f"hydra.sweep.dir={quoted(folder)}"]
        first = sys.argv.index(arguments.overrides[0]) if arguments.overrides else len(sys.argv)
        sys.argv[first:first] = own  # next to the other overrides: argparse takes them in one place only
        try:
            run(_sweep_job)()
            numbered = [sweep.record.job_config(job.config, number, job.overrides) for number, job in enumerate(jobs)]
            measure_all(sweep.record, numbered)
            interrupted = False
        except Exception:
            interrupted = False
            raise
        finally:
            code = finish_sweep(sweep, interrupted)
    return code


def _sweep_job(cfg: Any) -> float | tuple[float, ...]:
    """Run one job of a sweep, in the process of a launcher; returns its objective for the sweeper.

    Hydra's basic sweeper ignores the objective, so with it a job is measured later (see `pipeline.sweep`).
    """
    from hydra.core.hydra_config import HydraConfig

    from pipeline.sweep.job import run_job

    hydra = HydraConfig.get()
    config = with_steps_in_name(to_config(cfg), list(hydra.overrides.task))
    assert config.sweep.id is not None
    record = Record(config.track.root, config.sweep.id)
    own = record.job_config(config, int(hydra.job.num), list(hydra.overrides.task))
    objective = run_job(own, measure_later=hydra.sweeper._target_ == BASIC_SWEEPER)
    return objective[0] if len(objective) == 1 else objective
