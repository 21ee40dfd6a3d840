"""What a step noted -> plots, by the kind of the note; a step itself draws nothing."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipeline.reporting.plots import cascade, tuning

KINDS: dict[str, Callable[[Mapping[str, Any], Path], None]] = {"cascade": cascade.save, "search": tuning.save}


def save(notes: Mapping[str, Any], folder: Path) -> None:
    """Write the plots of a stage's notes into a folder; none where nothing was noted that has a plot."""
    for name in notes.keys() & KINDS.keys():
        KINDS[name](notes[name], folder)
