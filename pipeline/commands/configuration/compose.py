"""Composes and checks all configurations of a command line before any job starts, so that a mistake costs nothing.

Nothing here imports torch, transformers, datasets or mlflow.
"""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from pipeline.commands.configuration.raw_text import keep_text
from pipeline.config import CONF, Config
from pipeline.errors import ConfigError

_REGISTERED: dict[tuple[str, str], object] = {}  # what Hydra knows already: making its nodes is a third of composing


def parse_arguments(argv: Sequence[str]) -> Any:
    """Hydra's flags and the overrides, parsed by Hydra. Raises ConfigError for wrong flags."""
    from hydra._internal.utils import get_args_parser

    def fail(message: str) -> NoReturn:
        raise ConfigError(f"{message}; see --help and --hydra-help")

    parser = get_args_parser()
    parser.error = fail  # type: ignore[method-assign]  # one line instead of the usage
    arguments = parser.parse_args(keep_text(argv))
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
    """Register the typed schemas with Hydra: `/schema/<group>/<kind>` for steps and data sources, `/schema/config` etc."""
    from hydra.core.config_store import ConfigStore

    import pipeline.data.sources
    import pipeline.steps  # noqa: F401  both register their kinds when imported
    from pipeline.commands.configuration.schema import schema
    from pipeline.config import KINDS, Backbone, Measure, Optim, Track
    from pipeline.evaluation.metrics import constraints

    bounds = {key: constraint.default for key, (_, constraint) in constraints().items()}
    store = ConfigStore.instance()
    vars(store)["__deepcopy__"] = lambda memo: store  # each composing copies what refers to it: a quarter of its time
    if _REGISTERED.get(("schema", "config")) != bounds:
        store.store(group="schema", name="config", node=schema(Config)(constraints=bounds))
        _REGISTERED["schema", "config"] = bounds
    parts: dict[tuple[str, str], type] = {("schema", cls.__name__.lower()): cls for cls in (Optim, Backbone, Measure, Track)}
    parts |= {(f"schema/{group}", name): kind for group, kinds in KINDS.items() for name, kind in kinds.items()}
    for (group, name), cls in parts.items():
        if _REGISTERED.get((group, name)) is not cls:
            store.store(group=group, name=name, node=schema(cls))
            _REGISTERED[group, name] = cls


@dataclass(frozen=True)
class Composed:
    """One job: its overrides and its configuration."""

    overrides: list[str]
    config: Config


def configs(arguments: Any) -> Iterator[Composed]:
    """The composed and checked configurations: one, or one per job of a sweep.

    Settings that a sweeper chooses as it goes (`optim.steps.x.y=interval(0,1)`) are left out.
    """
    from hydra import compose, initialize_config_dir

    register_schemas()
    given = [Path(arguments.config_dir).resolve()] if arguments.config_dir else []
    search = [f"hydra.searchpath=[{quoted(f'file://{place}')}]" for place in given]  # Hydra decodes no %XX in it
    with initialize_config_dir(str(Path(arguments.config_path or CONF).resolve()), version_base="1.3"):
        name = arguments.config_name or "config"
        for overrides in _overrides_of_jobs(arguments, name, search):
            try:
                composed = compose(name, overrides=[*overrides, *search])
            except ValueError as error:  # Hydra raises it for a group that is null, among others
                raise ConfigError(f"{error}: {' '.join(overrides)}") from error
            yield Composed(overrides, with_steps_in_name(to_config(composed), overrides))


def one_config(argv: Sequence[str]) -> Config:
    """The configuration of a command that takes overrides only. Raises ConfigError for Hydra's flags."""
    arguments = parse_arguments(argv)
    for flag in ("cfg", "multirun", "info", "hydra_help", "shell_completion", "resolve"):
        if getattr(arguments, flag):
            raise ConfigError(f"--{flag.replace('_', '-')} is for python -m pipeline only; this command takes overrides")
    return next(configs(arguments)).config


def _overrides_of_jobs(arguments: Any, name: str, search: list[str]) -> list[list[str]]:
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


def open_keys(arguments: Any) -> set[str]:
    """The keys whose values a sweeper chooses as it goes, such as those of an interval."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    overrides = OverridesParser.create().parse_overrides(arguments.overrides)
    return {item.key_or_group for item in overrides if item.is_sweep_override() and not item.is_discrete_sweep()}


def with_steps_in_name(config: Config, overrides: Sequence[str]) -> Config:
    """Append steps that the command line adds or removes to the name of the optimization, such as "baseline-no-export"."""
    if any(override.startswith("optim.name=") for override in overrides):
        return config
    changes = [re.match(r"(\+step@|~)optim\.steps\.(\w+)(=|$)", override) for override in overrides]
    names = [("-" if change[1] != "~" else "-no-") + change[2] for change in changes if change]
    return replace(config, optim=replace(config.optim, name=config.optim.name + "".join(names)))


def to_config(cfg: Any) -> Config:
    """Convert a composed configuration to `Config`. Raises ConfigError or an error of OmegaConf (see `explain`)."""
    from omegaconf import OmegaConf

    import pipeline.data.sources
    import pipeline.steps  # noqa: F401  both register their kinds, also in a launcher's process
    from pipeline.commands.configuration.schema import build

    values = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    assert isinstance(values, dict)
    return build({str(key): value for key, value in values.items()})


def quoted(value: str) -> str:
    """A value of an override that may have any characters, such as those of a path."""
    inner = re.sub(r"(\\*)('|$)", lambda found: 2 * found[1] + ("\\'" if found[2] else ""), value)
    return f"'{inner}'"


def shown_command(arguments: Sequence[str]) -> str:
    """The command line without passwords, to be stored."""
    from pipeline.tracking.server import without_password

    return shlex.join(["python", "-m", "pipeline", *map(without_password, arguments)])
