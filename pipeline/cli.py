"""The command line: Hydra's entry point, `--help`, and configuration errors as one line.

Every configuration that the command line asks for, each job of a sweep included, is composed and checked before
Hydra starts a job, so that a mistake costs nothing and leaves nothing behind. Nothing here imports torch, transformers,
datasets or mlflow: they are imported by `run`, inside the job.

    python -m pipeline optim=distilbert data=clinc150
    python -m pipeline -m optim=bert,distilbert
"""

import os
import re
import shlex
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from pipeline.config import CONF, Config
from pipeline.errors import ConfigError, UserError
from pipeline.sweep.record import Record, varying

HELP_FLAGS = {"-h", "--help"}
LISTED = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"  # all its jobs are known from the start


def main() -> None:
    """Run the command line; exits with 0, 1 (a bug or a failed job), 2 (the user's mistake) or 128 + signal."""
    if HELP_FLAGS & set(sys.argv[1:]):
        from pipeline.usage import help_text

        print(help_text())
        return
    sys.exit(guarded(_hydra))


def entry(told: str | None, action: Callable[[Config], Any], *first: str) -> None:
    """An entry point that takes overrides, behind those that come `first`: its help, its log, its exit code."""
    import logging

    if HELP_FLAGS & set(sys.argv[1:]):
        print(told)
        return
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    logging.basicConfig(format="%(message)s")
    logging.getLogger("pipeline").setLevel(logging.INFO)
    sys.exit(guarded(lambda: action(one_config([*first, *sys.argv[1:]]))))


def guarded(action: Callable[[], Any]) -> int:
    """Run an entry point's action: the exit code, with a user's mistakes told in one line on standard error."""
    from pipeline.explain import explain

    signal.signal(signal.SIGTERM, _on_sigterm)
    try:
        return action() or 0
    except KeyboardInterrupt:
        print("interrupted: what is finished is kept; the same command goes on from there", file=sys.stderr)
        return 130
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    except Exception as error:
        line = explain(error) or _of_mlflow(error)
        if line is None:
            raise
        print(line, file=sys.stderr)
        return 2


def _of_mlflow(error: Exception) -> str | None:
    """What MLflow or its database refused, where one of them was used at all."""
    server = sys.modules.get("pipeline.track.server")
    return server.refused(error) if server is not None else None


def _on_sigterm(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)  # unwinds: MLflow's run ends as KILLED, temporary files are removed


def _hydra() -> int:
    os.environ["HYDRA_FULL_ERROR"] = "1"  # exceptions reach `guarded` as they are
    # threads that wait for each other sleep: where they spin, another busy process slows training down many times
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
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
            from pipeline.run import run as carry_out

            carry_out(named(checked(cfg), arguments.overrides))
        except Exception as error:  # told by `guarded`, without Hydra's words around it
            failures.append(error)

    run(job)()
    for error in failures:
        raise error
    return 0


def _sweep(arguments: Any, jobs: list["Composed"], run: Callable[..., Callable[[], Any]]) -> int:
    from pipeline.check import check
    from pipeline.sweep.job import measure_all
    from pipeline.sweep.whole import begin, end

    published = [job.config.publish.hub for job in jobs if job.config.publish.hub]
    if len(set(published)) < len(published):
        raise ConfigError(f"publish.hub={published[0]}: each job would replace the one before; add -${{optim.name}} to it")
    for job in jobs:
        check(job.config)
    open_keys = _open_keys(arguments)
    keys = sorted(varying([job.overrides for job in jobs]) | open_keys)
    whole = begin([job.config for job in jobs], keys, shown_command(sys.argv[1:]), known=not open_keys)
    interrupted = True
    with tempfile.TemporaryDirectory() as folder:  # Hydra's own record of a sweep: MLflow has it all, without passwords
        own = [f"sweep.id={whole.record.sweep_id}", f"hydra.sweep.dir={folder}"]
        first = sys.argv.index(arguments.overrides[0]) if arguments.overrides else len(sys.argv)
        sys.argv[first:first] = own  # beside the other overrides: argparse takes them in one place only
        try:
            run(_sweep_job)()
            numbered = [whole.record.numbered(job.config, number, job.overrides) for number, job in enumerate(jobs)]
            measure_all(whole.record, numbered)
            interrupted = False
        except Exception:
            interrupted = False
            raise
        finally:
            code = end(whole, interrupted)
    return code


def shown_command(arguments: Sequence[str]) -> str:
    """The command, as it may be kept: without passwords."""
    from pipeline.track.server import without_password

    return shlex.join(["python", "-m", "pipeline", *map(without_password, arguments)])


def _sweep_job(cfg: Any) -> float | tuple[float, ...]:
    """One job of a sweep, wherever a launcher runs it; returns what a sweeper is told.

    Hydra's own sweeper does not listen to it, and so a job is measured later (see `pipeline.sweep`).
    """
    from hydra.core.hydra_config import HydraConfig

    from pipeline.sweep.job import carry_out

    hydra = HydraConfig.get()
    config = named(checked(cfg), list(hydra.overrides.task))
    assert config.sweep.id is not None
    record = Record(config.track.root, config.sweep.id)
    own = record.numbered(config, int(hydra.job.num), list(hydra.overrides.task))
    objective = carry_out(own, later=hydra.sweeper._target_ == LISTED)
    return objective[0] if len(objective) == 1 else objective


def parse_arguments(argv: list[str]) -> Any:
    """Hydra's own flags and the overrides, as Hydra parses them."""
    from hydra._internal.utils import get_args_parser

    def refuse(message: str) -> NoReturn:
        raise ConfigError(f"{message}; see --help and --hydra-help")

    parser = get_args_parser()
    parser.error = refuse  # type: ignore[method-assign]  # one line instead of the usage
    arguments = parser.parse_args(argv)
    for flag in ("config_dir", "config_path"):
        directory = getattr(arguments, flag)
        if directory and not Path(directory).is_dir():
            raise ConfigError(f"--{flag.replace('_', '-')} {directory}: no such directory")
    if arguments.cfg and arguments.multirun:
        raise ConfigError("--cfg shows one configuration; leave out -m and give each group one value")
    if arguments.resolve and not arguments.cfg:
        raise ConfigError("--resolve goes with --cfg job")
    return arguments


def register_schemas() -> None:
    """Tell Hydra the typed schemas: `/schema/<group>/<kind>` for steps and data sources, `/schema/config` for the rest."""
    from hydra.core.config_store import ConfigStore

    import pipeline.data.sources
    import pipeline.steps  # noqa: F401  both register their kinds when imported
    from pipeline.config import KINDS, Backbone, Measure, Optim, Track
    from pipeline.schema import schema

    store = ConfigStore.instance()
    store.store(group="schema", name="config", node=schema(Config))
    for cls in (Optim, Backbone, Measure, Track):
        store.store(group="schema", name=cls.__name__.lower(), node=schema(cls))
    for group, kinds in KINDS.items():
        for name, kind in kinds.items():
            store.store(group=f"schema/{group}", name=name, node=schema(kind))


@dataclass(frozen=True)
class Composed:
    """One job: its overrides and its configuration."""

    overrides: list[str]
    config: Config


def configs(arguments: Any) -> Iterator[Composed]:
    """Every configuration the arguments ask for (one, or each job of a sweep), composed and checked.

    A sweep whose jobs a sweeper chooses as it goes (`optim.steps.x.y=interval(0,1)`) is checked without those settings.
    """
    from hydra import compose, initialize_config_dir

    register_schemas()
    search = [f"hydra.searchpath=[file://{Path(arguments.config_dir).resolve()}]"] if arguments.config_dir else []
    with initialize_config_dir(str(Path(arguments.config_path or CONF).resolve()), version_base="1.3"):
        name = arguments.config_name or "config"
        for overrides in _jobs(arguments, name, search):
            try:
                composed = compose(name, overrides=[*overrides, *search])
            except ValueError as error:  # Hydra's word for a group that is null, among others
                raise ConfigError(f"{error}: {' '.join(overrides)}") from error
            yield Composed(overrides, named(checked(composed), overrides))


def one_config(argv: list[str]) -> Config:
    """The configuration of an entry point that takes overrides and nothing else. Raises ConfigError for Hydra's flags."""
    arguments = parse_arguments(argv)
    for flag in ("cfg", "multirun", "info", "hydra_help", "shell_completion", "resolve"):
        if getattr(arguments, flag):
            raise ConfigError(f"--{flag.replace('_', '-')} is for python -m pipeline; here give overrides only")
    return next(configs(arguments)).config


def _jobs(arguments: Any, name: str, search: list[str]) -> list[list[str]]:
    from hydra import compose
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.override_parser.overrides_parser import OverridesParser

    hydra = GlobalHydra.instance().hydra
    assert hydra is not None
    parser = OverridesParser.create(config_loader=hydra.config_loader)
    overrides = parser.parse_overrides(arguments.overrides)
    fixed = [str(item.input_line) for item in overrides if not item.is_sweep_override()]
    if not arguments.multirun:
        return [list(arguments.overrides)]
    swept = compose(name, overrides=[*fixed, *search], return_hydra_config=True).hydra.sweeper.get("params") or {}
    overrides = parser.parse_overrides([f"{key}={value}" for key, value in swept.items()]) + overrides
    listed = [item for item in overrides if not item.is_sweep_override() or item.is_discrete_sweep()]
    return BasicSweeper.split_arguments(listed, None)[0]


def _open_keys(arguments: Any) -> set[str]:
    """The keys whose values a sweeper chooses as it goes."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    overrides = OverridesParser.create().parse_overrides(arguments.overrides)
    return {item.key_or_group for item in overrides if item.is_sweep_override() and not item.is_discrete_sweep()}


def named(config: Config, overrides: Sequence[str]) -> Config:
    """With steps added or taken away on the command line, an optimization is another one, and is called so."""
    if any(override.startswith("optim.name=") for override in overrides):
        return config
    changes = [re.match(r"(\+step@|~)optim\.steps\.(\w+)(=|$)", override) for override in overrides]
    names = [("-" if change[1] != "~" else "-no-") + change[2] for change in changes if change]
    return replace(config, optim=replace(config.optim, name=config.optim.name + "".join(names)))


def checked(cfg: Any) -> Config:
    """The typed configuration of a composed one. Raises ConfigError or one of OmegaConf's errors (see `explain`)."""
    from omegaconf import OmegaConf

    import pipeline.data.sources
    import pipeline.steps  # noqa: F401  both register their kinds when imported; a launcher's process has not done it yet
    from pipeline.schema import build

    values = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    assert isinstance(values, dict)
    return build({str(key): value for key, value in values.items()})
