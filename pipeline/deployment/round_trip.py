"""The check before a promotion: a version, loaded back from the registry, must have the measured predictions and speed."""

from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from pipeline.config import Measure
from pipeline.deployment.registry import CHAMPION_UNCHANGED, DamagedVersionError, Registry
from pipeline.errors import TrackError
from pipeline.evaluation.latency.pairs import Session, Subject, compare
from pipeline.evaluation.latency.samples import speedup
from pipeline.evaluation.report import Predictions
from pipeline.evaluation.statistics import Interval
from pipeline.system import locks
from pipeline.system.machine import least_busy_cores
from pipeline.system.progress import bar
from pipeline.tasks.base import Answers
from pipeline.tasks.inputs import Input

SCORE_TOLERANCE = 1e-4  # largest difference of scores


def require_same_answers(registry: Registry, number: str, expected: Predictions) -> None:
    """Raises DamagedVersionError unless a version, loaded by MLflow in a new process, gives the measured predictions."""
    answers = registry.predict(number, expected.texts)
    measured = expected.task.served(
        Answers(expected.predicted, expected.scores, expected.abstained), expected.labels, expected.oos
    )
    different = sum(not _alike(each, one._asdict()) for each, one in zip(answers, measured, strict=True))
    if different:
        raise DamagedVersionError(
            f"version {number} of {registry.name}, loaded back, answers {different} of {len(answers)} texts otherwise than "
            f"measured; {CHAMPION_UNCHANGED}"
        )


def _alike(one: Any, other: Any) -> bool:
    """Whether two answers as plain values are the same, but for the last digits of scores."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_alike(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    return abs(one - other) <= SCORE_TOLERANCE if isinstance(one, float) else bool(one == other)


def require_same_speed(
    registered: Path, baseline: Path, reported: Interval | None, settings: Measure, texts: Sequence[Input]
) -> str:
    """Measure the registered artifact in pairs with the baseline: the interval must overlap the reported one.

    Returns the result as text. Raises TrackError if the intervals don't overlap. Checks nothing if no interval was reported,
    because only one pair was measured.
    """
    if reported is None or not isfinite(reported.low):
        return "its speed was not checked: the run has no interval (one pair was measured)"
    with locks.exclusive(), bar("measuring what is registered", "pair") as progress:
        session = Session(list(texts), settings, least_busy_cores(settings.threads), progress)
        pairs, _ = compare(Subject(registered), Subject(baseline), session)
    found = speedup(pairs)
    text = f"{_format(found)} as fast as the baseline, reported was {_format(reported)}"
    if found.high < reported.low or found.low > reported.high:
        raise TrackError(f"the registered model is {text}; {CHAMPION_UNCHANGED}; measure it again")
    return text


def _format(interval: Interval) -> str:
    return f"{interval.value:.2f}x [{interval.low:.2f}, {interval.high:.2f}]"
