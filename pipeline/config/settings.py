"""The base of configuration objects: fields with bounds, conversion to plain values, and a hash."""

import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.errors import ConfigError, nearest

MISSING: Any = "???"  # OmegaConf's marker for a mandatory value
Names = str | tuple[str, ...]  # a setting with one name, or several in a list


def names_of(value: Names | None) -> tuple[str, ...]:
    """The names in such a setting: one, several, or none."""
    return () if value is None else (value,) if isinstance(value, str) else value


def setting(default: Any, **bounds: Any) -> Any:
    """A dataclass field with bounds: `min` and `max` (inclusive), `above` (exclusive), `choices`,
    `filled` (not empty), `name` (valid in MLflow), `words` (what may be written instead of a number -> the number that the
    code gets).

    Creating an object with a value out of bounds raises ConfigError (see `Settings`).
    """
    return field(default=default, metadata=bounds)


@dataclass(frozen=True)
class Settings:
    """Base class of configuration objects; checks the bounds of the fields."""

    def __post_init__(self) -> None:
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            problem = None if value is None else out_of_bounds(value, item.metadata)
            if problem:
                raise ConfigError(f"{item.name}={value}: {problem}")


def out_of_bounds(value: Any, bounds: Mapping[str, Any]) -> str | None:
    """A phrase that says which bound a value violates; None if it violates none (see `setting`)."""
    words = bounds.get("words", {})
    if value in words.values():
        return None
    if words and isinstance(value, str):
        return f"must be a whole number or {' or '.join(words)}"
    if isinstance(value, float) and not math.isfinite(value):
        return "must be a finite number"
    if bounds.get("filled") and not str(value).strip():
        return "must not be empty"
    if bounds.get("name") and value != MISSING and not re.fullmatch(r"\w[\w./ -]*", str(value)):
        return "must not be empty, and may only contain letters, digits, _ . - / and spaces"
    if "choices" in bounds and value not in bounds["choices"]:
        return "unknown value" + nearest(str(value), bounds["choices"])
    if "min" in bounds and value < bounds["min"]:
        return f"must be at least {bounds['min']}"
    if "max" in bounds and value > bounds["max"]:
        return f"must be at most {bounds['max']}"
    if "above" in bounds and value <= bounds["above"]:
        return f"must be above {bounds['above']}"
    return None


def plain(settings: Any) -> dict[str, Any]:
    """Convert a configuration object to nested dicts of plain values (for YAML, JSON and fingerprints)."""
    values = dataclasses.asdict(settings)
    return {key: _without_tuples(value) for key, value in values.items()}


def _without_tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_tuples(inner) for key, inner in value.items()}
    return list(value) if isinstance(value, tuple) else value


def digest(value: Any) -> str:
    """The hexadecimal SHA-256 of plain values in canonical JSON (keys sorted, no NaN)."""
    text = json.dumps(value, sort_keys=True, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
