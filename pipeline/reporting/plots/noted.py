"""The notes of steps -> plots. A plot declares the name of its note as `NOTED`; steps do not draw."""

import importlib
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from pipeline.reporting import plots


def save(notes: Mapping[str, Any], folder: Path) -> None:
    """Write the plots of a stage's notes into a folder. Notes without a plot are skipped."""
    for module in _modules():
        if getattr(module, "NOTED", None) in notes:
            module.save(notes[module.NOTED], folder)


def _modules() -> list[ModuleType]:
    """All modules of this package except this one."""
    found = (f"{plots.__name__}.{module.name}" for module in pkgutil.iter_modules(plots.__path__))
    return [importlib.import_module(name) for name in found if name != __name__]
