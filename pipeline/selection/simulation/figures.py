"""`Figures`: the results of a simulation as a table of text."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Figures:
    """A table; `explanation` says in one paragraph what was drawn, and how to read it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    explanation: str


def percent(flags: object) -> str:
    """The share of True, "-" of nothing."""
    values = np.asarray(flags, dtype=np.float64)
    return f"{100 * values.mean():.1f} %" if values.size else "-"
