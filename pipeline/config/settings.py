"""What every configuration object has: fields with bounds, a plain form for YAML and JSON, and a hash."""

import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.errors import ConfigError, nearest

MISSING: Any = "???"  # OmegaConf's mark for a value that must be given


def setting(default: Any, **bounds: Any) -> Any:
    """A dataclass field with bounds: `min` and `max` (inclusive), `above` (exclusive), `choices`,
    `filled` (not empty), `name` (fit for MLflow).

    Raises ConfigError when an object is made with a value outside them (see `Settings`).
    """
    return field(default=default, metadata=bounds)


@dataclass(frozen=True)
class Settings:
    """Base of every configuration object: checks the bounds of its fields when it is made."""

    def __post_init__(self) -> None:
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            problem = None if value is None else out_of_bounds(value, item.metadata)
            if problem:
                raise ConfigError(f"{item.name}={value}: {problem}")


def out_of_bounds(value: Any, bounds: Mapping[str, Any]) -> str | None:
    """What is wrong with a value that is given, in words; None where it keeps the bounds (see `setting`)."""
    if isinstance(value, float) and not math.isfinite(value):
        return "must be a finite number"
    if bounds.get("filled") and not str(value).strip():
        return "must not be empty"
    if bounds.get("name") and value != MISSING and not re.fullmatch(r"\w[\w./ -]*", str(value)):
        return "must not be empty, and be of letters, digits, _ . - / and spaces only"
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
    """A configuration object as nested dicts of plain values (for YAML, JSON and fingerprints)."""
    values = dataclasses.asdict(settings)
    return {key: _listed(value) for key, value in values.items()}


def _listed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _listed(inner) for key, inner in value.items()}
    return list(value) if isinstance(value, tuple) else value


def digest(value: Any) -> str:
    """SHA-256, in hexadecimal, of the canonical JSON form of plain values (keys sorted, no NaN)."""
    text = json.dumps(value, sort_keys=True, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
