"""Converts between Hydra and `Config`: makes the schemas that Hydra checks against, and builds the frozen objects."""

import dataclasses
import functools
import types
import typing
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from pipeline.commands.configuration.renamed import no_such_key
from pipeline.config import KINDS, MISSING, Config, DataSource, Names, Settings, Step, out_of_bounds
from pipeline.errors import ConfigError, nearest
from pipeline.evaluation import metrics


def lookup(group: str, name: str, where: str) -> type:
    """The class that is registered for a kind. Raises ConfigError with the nearest name."""
    if name not in KINDS[group]:
        raise ConfigError(f"{where}.kind={name}: no such kind of {group}{nearest(name, KINDS[group])}")
    return KINDS[group][name]


@functools.cache
def schema(cls: Any) -> Any:
    """A mutable copy of a frozen dataclass, for Hydra, because OmegaConf's nodes of frozen dataclasses are read-only.

    Nested dataclasses, also inside `dict[...]`, are replaced by their copies.
    """
    hints = typing.get_type_hints(cls)
    copies = []
    for item in dataclasses.fields(cls):
        default: Any = item.default
        if default is not dataclasses.MISSING:
            copied = field(default=default)
        else:
            factory: Any = item.default_factory
            copied = field(default_factory=schema(factory) if _is_settings(factory) else factory)
        hint = hints[item.name] | str if "words" in item.metadata else hints[item.name]
        copies.append((item.name, _schema_type(hint), copied))
    bases = tuple(schema(base) for base in cls.__bases__ if _is_settings(base) and base is not Settings)
    return dataclasses.make_dataclass(cls.__name__, copies, bases=bases)


def _is_settings(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Settings)


def _schema_type(hint: Any) -> Any:
    if _is_settings(hint):
        return schema(hint)
    if typing.get_origin(hint) is dict:
        key, value = typing.get_args(hint)
        return types.GenericAlias(dict, (key, _schema_type(value)))
    return Any if hint == Names else hint  # OmegaConf knows no "string or list"; `_names` checks it


def build(values: Mapping[str, Any]) -> Config:
    """Build the frozen objects from a composed configuration in plain containers.

    Raises ConfigError, with the full key, for unknown keys, values out of bounds and unknown kinds.
    """
    config: Config = _build(Config, values, "")
    for where, optim in (("optim", config.optim), ("baseline", config.baseline)):
        if not optim.steps:
            raise ConfigError(f"{where}.steps is empty: the first step must make a classifier (finetune or load_checkpoint)")
    check_constraints(config.constraints)
    return config


def check_constraints(given: Mapping[str, float | None]) -> None:
    """Raises ConfigError for an unknown constraint and for a value out of its bounds."""
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
    known = {item.name: item.metadata.get("words", {}) for item in dataclasses.fields(cls)}
    for key in values:
        if key not in known:
            raise ConfigError(no_such_key(_join(where, str(key)), known, values.get("model")))
    hints = typing.get_type_hints(cls)
    made = {key: _value(hints[key], key, value, _join(where, key)) for key, value in values.items()}
    made |= {key: known[key][value] for key, value in values.items() if known[key] and value in known[key]}
    try:
        return cls(**made)
    except ConfigError as error:
        raise ConfigError(_join(where, str(error.args[0]))) from error


def _value(hint: Any, key: str, value: Any, where: str) -> Any:
    if hint is DataSource:
        return _build(lookup("data", value.get("kind", MISSING), where), value, where)
    if typing.get_origin(hint) is dict and typing.get_args(hint)[1] is Step:
        steps = {
            name: _build(lookup("step", step.get("kind", MISSING), _join(where, name)), step, _join(where, name))
            for name, step in value.items()
        }
        return dict(sorted(steps.items(), key=lambda item: bool(item[1].takes)))  # what makes a classifier goes first
    if dataclasses.is_dataclass(hint):
        return _build(hint, value, where)
    if hint == Names:
        return _names(value, where)
    return tuple(value) if isinstance(value, list) else value


def _names(value: Any, where: str) -> Names:
    """One name, or several in a list. A whole number is a name too, such as that of a column without a header."""
    listed = value if isinstance(value, list | tuple) else [value]
    if not listed or not all(isinstance(name, str | int) and not isinstance(name, bool) for name in listed):
        raise ConfigError(f"{where}={value}: must be a name, or several as [NAME,NAME]; quote what is no word: \"'1e3'\"")
    names = tuple(map(str, listed))
    return names if isinstance(value, list | tuple) else names[0]


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key
