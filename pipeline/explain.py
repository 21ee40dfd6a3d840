"""Hydra's, OmegaConf's and YAML's errors as one line that names the place and the nearest right name.

`explain` is a table from exception type to sentence; it returns None for what is not a configuration error.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigError, UserError, nearest


def explain(error: BaseException) -> str | None:
    """One line for an error that the configuration caused, or None if it is none."""
    sentences = _sentences()
    chain = list(_chain(error))
    for link in reversed(chain):  # the innermost cause knows most
        if isinstance(link, UserError):
            return str(link)
        for kind, sentence in sentences:
            if isinstance(link, kind):
                return str(ConfigError(sentence(link) + _place(chain)))
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _place(chain: list[BaseException]) -> str:
    """The file that Hydra was reading, when it says so ("In 'optim/bert': ...")."""
    for link in chain:
        text = str(link)
        if type(link).__name__ == "ConfigCompositionException" and text.startswith("In '"):
            return f" (in conf/{text.split(chr(39))[1]}.yaml)"
    return ""


def _sentences() -> list[tuple[Any, Callable[[Any], str]]]:
    import yaml
    from hydra.errors import HydraException, MissingConfigException, OverrideParseException
    from omegaconf import errors as omegaconf

    return [
        (MissingConfigException, _missing_config),
        (OverrideParseException, lambda e: f"can't read the override {e.override!r}: {e.message.splitlines()[0]}"),
        (omegaconf.MissingMandatoryValue, lambda e: f"{e.full_key} is not set; give it with {e.full_key}=VALUE"),
        ((omegaconf.ConfigKeyError, omegaconf.ConfigAttributeError), _missing_key),
        (omegaconf.InterpolationResolutionError, _interpolation),
        (omegaconf.ValidationError, lambda e: f"{e.full_key}: {e.msg.splitlines()[0]}" if e.full_key else _first(e)),
        (yaml.YAMLError, _yaml),
        ((omegaconf.OmegaConfBaseException, HydraException), _first),
    ]


def _interpolation(error: Any) -> str:
    if error.full_key == "track.uri":
        return "track.uri is not set; give it with track.uri=http://..., or set MLFLOW_TRACKING_URI"
    return f"{error.full_key}: {_first(error)}"


def _first(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if lines and lines[0].startswith("Ambiguous value for argument"):
        return f"{lines[0].removeprefix('Ambiguous value for argument ')}: several values make a sweep; add -m"
    return " ".join(lines[:2])


def _missing_config(error: Any) -> str:
    group, _, name = str(error.missing_cfg_file).rpartition("/")
    if not group:
        return f"no config {name!r} in conf/"
    options = list(error.options or [])
    return f"no config {name!r} in conf/{group}{nearest(name, options).replace('mean ', f'mean {group}=')}"


def _missing_key(error: Any) -> str:
    where = error.full_key or str(error.key)
    parent = error.parent_node
    known = [str(key) for key in parent] if parent is not None and hasattr(parent, "keys") else []
    return f"{where}: no such key{nearest(str(error.key), known)}"


def _yaml(error: Any) -> str:
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return f"not YAML: {_first(error)}"
    return f"{Path(mark.name).name}, line {mark.line + 1}, column {mark.column + 1}: not YAML: {error.problem}"
