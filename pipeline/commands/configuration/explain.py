"""Explains errors of Hydra, OmegaConf and YAML in one line, with the place and the nearest known name.

`explain` looks up the type of the exception in a table. It returns None for other errors.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from pipeline import config
from pipeline.commands.configuration.renamed import no_such_key, renamed_choice
from pipeline.errors import ConfigError, UserError, nearest


def explain(error: BaseException) -> str | None:
    """One line for an error in the configuration; None for other errors."""
    sentences = _sentences()
    for link in reversed(list(_chain(error))):  # the innermost cause has the details
        if isinstance(link, UserError):
            return str(link)
        for kind, sentence in sentences:
            if isinstance(link, kind):
                return str(ConfigError(sentence(link) + _place(error)))
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _place(error: BaseException) -> str:
    """The file that Hydra was reading, if the message names it ("In 'optim/bert': ...")."""
    found = re.match(r"In '([^']+/[^']+)'", str(error))
    return f" (in {found[1]}.yaml)" if found else ""


def _sentences() -> list[tuple[Any, Callable[[Any], str]]]:
    import yaml
    from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException
    from omegaconf import errors as omegaconf

    return [
        (MissingConfigException, _missing_config),
        (OverrideParseException, _override),
        (omegaconf.MissingMandatoryValue, lambda e: _not_set(e.full_key)),
        ((omegaconf.ConfigKeyError, omegaconf.ConfigAttributeError), _missing_key),
        (omegaconf.ConfigTypeError, _config_type),
        (omegaconf.InterpolationResolutionError, _interpolation),
        (omegaconf.ValidationError, _invalid),
        (yaml.YAMLError, _yaml),
        (ConfigCompositionException, _composition),
        ((omegaconf.OmegaConfBaseException, HydraException), _first),
    ]


def _invalid(error: Any) -> str:
    """A value of another type than the setting has; a whole group where one of its settings is meant."""
    key, message = error.full_key, error.msg.splitlines()[0]
    if not key:
        return _first(error)
    optim = re.search(r"is not a subclass of Optim. value: (\S+)", message)
    if optim:
        return f"{key}={optim[1]}: to choose an optimization for it, write optim@{key}={optim[1]}"
    if "is not a ListConfig" in message:
        return f"{key}: must be a list, [NAME,NAME]"
    if re.match(r"Invalid type assigned|Cannot assign", message):
        return f"{key} is a group of settings; set one of them, {key}.KEY=VALUE"
    return f"{key}: {_wanted(message)}"


def _wanted(message: str) -> str:
    """What OmegaConf says of a value of another type, in words that name no type of Python."""
    found = re.match(r"Value (.+?)(?: of type '\w+')? (?:could not be converted to|is not a valid) (\w+)", message)
    kinds = {
        "Integer": "a whole number",
        "int": "a whole number",
        "Float": "a number",
        "float": "a number",
        "bool": "true or false",
    }
    return f"{found[1]} is not {kinds[found[2]]}" if found and found[2] in kinds else message


def _not_set(key: str) -> str:
    return f"{key} is not set; give it with {key}=VALUE"


def _first(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if lines and lines[0].startswith("Ambiguous value for argument"):
        several = lines[0].removeprefix("Ambiguous value for argument ")
        return f"{several}: give one value; several make a sweep, python -m pipeline -m"
    return " ".join(lines[:2])


def _override(error: Any) -> str:
    lines = [line for line in error.message.splitlines() if not line.startswith(("Error parsing", "See http"))]
    return f"can't read the override {error.override!r}: {'; '.join(lines)}; write it as GROUP.KEY=VALUE"


def _interpolation(error: Any) -> str:
    missing = re.search(r"Missing mandatory value: (\S+)", str(error))
    if missing:
        return _not_set(missing[1])
    if error.full_key == "track.uri":
        return "track.uri is not set; give it with track.uri=http://..., or set MLFLOW_TRACKING_URI"
    return f"{error.full_key}: {_first(error)}"


def _missing_config(error: Any) -> str:
    found = re.search(r"Could not (?:load|find) '([^']+)'", str(error))
    group, _, name = str(error.missing_cfg_file or (found[1] if found else "")).rpartition("/")
    if not group:
        return f"no config {name!r} in conf/"
    new = renamed_choice(group, name)
    if new is not None:
        return f"{group}={name} is called {group}={new} now"
    options = error.options or [file.stem for file in (config.CONF / group).glob("*.yaml")]
    return f"no config {name!r} in conf/{group}{nearest(name, options).replace('mean ', f'mean {group}=')}"


def _missing_key(error: Any) -> str:
    where = error.full_key or str(error.key)
    parent = error.parent_node
    known = [str(key) for key in parent] if parent is not None and hasattr(parent, "keys") else []
    return no_such_key(where, known, parent.get("model") if "model" in known else None)


def _config_type(error: Any) -> str:
    if "does not support deletion" not in str(error):
        return _first(error)
    key = error.full_key
    return f"~{key}: a setting can't be removed, only a step; give it another value, {key}=null where it may have none"


def _composition(error: Any) -> str:
    """A mistake inside a file. Hydra gives no cause, but its message contains the key and the name of the schema."""
    text = str(error)
    removed = re.fullmatch(r"Could not delete from config\. '(\S+)' does not exist\.", text)
    if removed:
        return f"~{removed[1]} removes nothing: it does not exist, or has no value"
    key, schema = re.search(r"full_key: (\S+)", text), re.search(r"object_type=(\w+)", text)
    if key is None:
        return _first(error)
    if "ConfigKeyError" in text and schema is not None:
        known = [item.name for cls in _schemas() if cls.__name__ == schema[1] for item in fields(cls)]
        return no_such_key(key[1], known)
    return f"{key[1]}: {text.splitlines()[1].strip()}"


def _schemas() -> list[Any]:
    settings = [cls for cls in vars(config).values() if isinstance(cls, type) and issubclass(cls, config.Settings)]
    return settings + [cls for kinds in config.KINDS.values() for cls in kinds.values()]


def _yaml(error: Any) -> str:
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return f"not YAML: {_first(error)}"
    return f"{Path(mark.name).name}, line {mark.line + 1}, column {mark.column + 1}: not YAML: {error.problem}"
