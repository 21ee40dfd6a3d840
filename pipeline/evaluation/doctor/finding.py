"""`Finding`: a problem or a check that passed, its evidence, and advice."""

import enum
from dataclasses import dataclass


class Level(enum.IntEnum):
    """The severity of a finding."""

    PROBLEM = 0  # it costs time that can be saved
    HINT = 1  # worth knowing or trying
    OK = 2


@dataclass(frozen=True)
class Finding:
    """The result of one check."""

    level: Level
    title: str
    evidence: str
    advice: str = ""
    share: float = 0.0  # share of a call's time, 0 to 1: an upper bound on what fixing it can save
