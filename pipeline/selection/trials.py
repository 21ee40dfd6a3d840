"""What a search has tried, and which of it is on the Pareto front."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


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
    on_front: bool = False  # no other is at least as fast, small and good, and better in one of them


def front(tried: Sequence[Tried]) -> list[Tried]:
    """The Pareto front over speed, size and quality, the fastest first; what could not be made is not on it."""
    known = [(one.judged.speedup, one) for one in tried if one.judged is not None and one.on_front]
    return [one for _, one in sorted(known, key=lambda item: -item[0])]
