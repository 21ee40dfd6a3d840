"""Is what the registry holds what was measured? Loaded back, it must say the same and be as fast, before it is aliased."""

from collections.abc import Sequence
from math import isfinite
from pathlib import Path

import numpy as np

from pipeline.config import Measure
from pipeline.deployment.registry import STAYS, Damaged, Registry
from pipeline.errors import TrackError
from pipeline.evaluation.latency.pairs import Session, Subject, compare
from pipeline.evaluation.latency.samples import speedup
from pipeline.evaluation.report import Predictions
from pipeline.evaluation.session import draw
from pipeline.evaluation.statistics import Interval
from pipeline.system import locks
from pipeline.system.machine import least_busy_cores
from pipeline.system.progress import bar

SCORES = 1e-4  # scores may differ by so much


def require_same_answers(registry: Registry, number: str, expected: Predictions) -> None:
    """A version, loaded by MLflow in a fresh process, must predict what was measured. Raises Damaged, a TrackError."""
    said = registry.answers(number, expected.texts)
    names = np.array(expected.labels)[expected.predicted]
    other = sum(
        each["label"] != name or abs(each["score"] - score) > SCORES
        for each, name, score in zip(said, names, expected.scores, strict=True)
    )
    if other:
        raise Damaged(
            f"version {number} of {registry.name}, loaded back, says something else than was measured of {other} of "
            f"{len(said)} texts; {STAYS}"
        )


def require_same_speed(
    back: Path, baseline: Path, reported: Interval | None, settings: Measure, texts: Sequence[str]
) -> str:
    """Measured anew in pairs with the baseline, its speed-up must be the reported one: their intervals overlap.

    Returns what was found, in words. Raises TrackError where they don't overlap. Where no interval was reported, since one
    pair was measured, there is nothing to check.
    """
    if reported is None or not isfinite(reported.low):
        return "its speed was not checked: the run has no interval (one pair was measured)"
    with locks.exclusive(), bar("measuring what is registered", "pair") as progress:
        session = Session(draw(list(texts), settings), settings, least_busy_cores(settings.threads), progress)
        pairs, _ = compare(Subject(back), Subject(baseline), session)
    found = speedup(pairs)
    told = f"{_told(found)} as fast as the baseline, reported was {_told(reported)}"
    if found.high < reported.low or found.low > reported.high:
        raise TrackError(f"what is registered is {told}; {STAYS}; measure it again")
    return told


def _told(interval: Interval) -> str:
    return f"{interval.value:.2f}x [{interval.low:.2f}, {interval.high:.2f}]"
