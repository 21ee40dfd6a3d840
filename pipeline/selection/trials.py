"""What a search has tried, and which of it is on the Pareto front."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.selection.pareto import pareto_front


@dataclass(frozen=True)
class Judged:
    """A trial's metrics."""

    speedup: float  # against the baseline, paired, on validation texts
    size_mb: float
    quality: float  # on the validation split, 0 to 1, see `quality_of`


@dataclass(frozen=True)
class Tried:
    """A trial that has ended; without metrics where that choice can't be made."""

    name: str
    choice: dict[str, Any]
    judged: Judged | None


def front(tried: Sequence[Tried]) -> list[Tried]:
    """The Pareto front over speed, size and quality, the fastest first; what could not be made is not on it."""
    known = [(one, one.judged) for one in tried if one.judged is not None]
    best = pareto_front([(judged.speedup, -judged.size_mb, judged.quality) for _, judged in known])
    return [known[index][0] for index in sorted(best, key=lambda index: -known[index][1].speedup)]
