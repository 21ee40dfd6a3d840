"""Between Hydra's configurations and ours: schemas that it checks against, and frozen objects built of what it composed."""

import dataclasses
import functools
import types
import typing
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from pipeline.commands.configuration.renamed import no_such_key
from pipeline.config import KINDS, MISSING, Config, DataSource, Settings, Step, out_of_bounds
from pipeline.errors import ConfigError, nearest
from pipeline.evaluation import metrics


def lookup(group: str, name: str, where: str) -> type:
    """The class registered for a kind. Raises ConfigError with the nearest name."""
    if name not in KINDS[group]:
        raise ConfigError(f"{where}.kind={name}: no such kind of {group}{nearest(name, KINDS[group])}")
    return KINDS[group][name]


@functools.cache
def schema(cls: Any) -> Any:
    """A mutable twin of a frozen dataclass, for Hydra: OmegaConf makes nodes of frozen ones read-only.

    Nested dataclasses and those inside `dict[...]` are replaced by their twins too.
    """
    hints = typing.get_type_hints(cls)
    twins = []
    for item in dataclasses.fields(cls):
        default: Any = item.default
        if default is not dataclasses.MISSING:
            twin = field(default=default)
        else:
            factory: Any = item.default_factory
            twin = field(default_factory=schema(factory) if _is_settings(factory) else factory)
        twins.append((item.name, _schema_type(hints[item.name]), twin))
    bases = tuple(schema(base) for base in cls.__bases__ if _is_settings(base) and base is not Settings)
    return dataclasses.make_dataclass(cls.__name__, twins, bases=bases)


def _is_settings(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Settings)


def _schema_type(hint: Any) -> Any:
    if _is_settings(hint):
        return schema(hint)
    if typing.get_origin(hint) is dict:
        key, value = typing.get_args(hint)
        return types.GenericAlias(dict, (key, _schema_type(value)))
    return hint


def build(values: Mapping[str, Any]) -> Config:
    """A composed configuration, as plain containers, to frozen objects.

    Raises ConfigError, with the full key, for keys that no schema has, values out of bounds and unknown kinds.
    """
    config: Config = _build(Config, values, "")
    for where, optim in (("optim", config.optim), ("baseline", config.baseline)):
        if not optim.steps:
            raise ConfigError(f"{where}.steps is empty: the first step must make a classifier (finetune or load)")
    check_constraints(config.constraints)
    return config


def check_constraints(given: Mapping[str, float | None]) -> None:
    """Raises ConfigError for a constraint that no metric has, and for a value that it can't be."""
    known = metrics.constraints()
    for key, value in given.items():
        if key not in known:
            raise ConfigError(no_such_key(f"constraints.{key}", known))
        problem = None if value is None else out_of_bounds(value, known[key][1].allowed)
        if problem:
            raise ConfigError(f"constraints.{key}={value}: {problem}")


def _build(cls: Any, values: Mapping[str, Any], where: str) -> Any:
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where}={values}: must be a group of settings")
    known = {item.name for item in dataclasses.fields(cls)}
    for key in values:
        if key not in known:
            raise ConfigError(no_such_key(_join(where, str(key)), known))
    hints = typing.get_type_hints(cls)
    made = {key: _value(hints[key], key, value, _join(where, key)) for key, value in values.items()}
    try:
        return cls(**made)
    except ConfigError as error:
        raise ConfigError(_join(where, str(error.args[0]))) from error


def _value(hint: Any, key: str, value: Any, where: str) -> Any:
    if hint is DataSource:
        return _build(lookup("data", value.get("kind", MISSING), where), value, where)
    if typing.get_origin(hint) is dict and typing.get_args(hint)[1] is Step:
        return {
            name: _build(lookup("step", step.get("kind", MISSING), _join(where, name)), step, _join(where, name))
            for name, step in value.items()
        }
    if dataclasses.is_dataclass(hint):
        return _build(hint, value, where)
    return tuple(value) if isinstance(value, list) else value


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key
