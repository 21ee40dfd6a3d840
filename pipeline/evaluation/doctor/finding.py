"""`Finding`: what is the matter, the metrics that show it, and what to do."""

import enum
from dataclasses import dataclass


class Level(enum.IntEnum):
    """How much a finding matters."""

    COSTS = 0  # it costs time that can be won back
    HINT = 1  # worth knowing, or something that could be tried
    FINE = 2


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    level: Level
    title: str
    evidence: str
    advice: str = ""
    share: float = 0.0  # the part of a call's time it is about, 0 to 1: mending it can win no more
