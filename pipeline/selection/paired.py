"""Two candidates compared with each other: the flips between them, and the log ratios of their pairs.

Whether two intervals against the baseline overlap does not tell it. Both answered the same texts, so most of the uncertainty
of each cancels; and intervals of pairs that were measured apart may overlap although their difference is sure.
"""

import numpy as np
from scipy.special import stdtrit

from pipeline.evaluation.evidence import Evidence
from pipeline.evaluation.quality.intervals import Z, tango
from pipeline.evaluation.statistics import CONFIDENCE, Interval, difference_interval
from pipeline.selection.candidate import Candidate


def speed_ratio(one: Candidate, other: Candidate) -> Interval | None:
    """How many times as fast `one` is as `other`, with the interval of the difference of the mean log speed-ups.

    Each pair of one seed, or each of several seeds, gives one value. None where one of the two has fewer than two values.
    """
    first, second = _log_speedups(one), _log_speedups(other)
    if len(first) < 2 or len(second) < 2:
        return None
    found = difference_interval(first, second)
    with np.errstate(over="ignore"):
        return Interval(*(float(np.exp(value)) for value in (found.value, found.low, found.high)))


def _log_speedups(candidate: Candidate) -> np.ndarray:
    if candidate.is_baseline:
        return np.zeros(2)  # it is exactly as fast as itself
    several = [run.log_ratios for run in candidate.evidence]
    if len(several) == 1:
        return several[0]
    return np.array([values.mean() for values in several if len(values)])


def accuracy_difference(one: Candidate, other: Candidate) -> Interval | None:
    """Accuracy of `one` minus that of `other` on the validation split, in percentage points, from their own flips.

    For one seed it is Tango's interval. Of several, the seeds that both have count, and each text with its mean over them.
    The bounds add two errors as squares, over the texts and over the seeds (Student's t). That is a little too wide, because
    what differs by seed and text is in both. None where no seed has the answers of both to the same texts.
    """
    changes = _changes(one, other)
    if not changes:
        return None
    if len(changes) == 1:
        (_, change), n = changes[0], len(changes[0][1])
        found = tango(int((change > 0).sum()), int((change < 0).sum()), n)
    else:
        value, half = _over_seeds(changes)
        found = Interval(value, value - half, value + half)
    return found.scaled(100)


Change = tuple[tuple[str, ...], np.ndarray]  # texts, and for each 1 where only one is right, -1 where only the other is


def _changes(one: Candidate, other: Candidate) -> list[Change]:
    """For each seed that both have: the texts, and float64 (texts,): right of one - right of the other."""
    known = {row.seed: run for row, run in zip(other.rows, other.evidence, strict=False)}
    found = []
    for row, run in zip(one.rows, one.evidence, strict=False):
        its = known.get(row.seed, Evidence())
        if run.right is not None and its.right is not None and run.texts == its.texts:
            found.append((run.texts, run.right.astype(np.float64) - its.right))
    return found


def _over_seeds(changes: list[Change]) -> tuple[float, float]:
    """The mean change over at least two seeds, and half the width of its interval."""
    by_text: dict[str, list[float]] = {}
    for texts, change in changes:
        for text, value in zip(texts, change.tolist(), strict=True):
            by_text.setdefault(text, []).append(value)
    of_texts = np.array([np.mean(values) for values in by_text.values()])
    of_seeds = np.array([change.mean() for _, change in changes])
    over_texts = Z * of_texts.std(ddof=1) / np.sqrt(len(of_texts))
    over_seeds = stdtrit(len(of_seeds) - 1, (1 + CONFIDENCE) / 2) * of_seeds.std(ddof=1) / np.sqrt(len(of_seeds))
    return float(of_seeds.mean()), float(np.hypot(over_texts, over_seeds))
