"""How much a speed-up varies from one measuring session to the next, beyond what the pairs within a session show.

A classifier against itself can't show it: what a session does to both cancels in their ratio. So the candidate is measured
against the baseline again and again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.evaluation.statistics import CONFIDENCE, ratio_interval

MIN_SESSIONS = 3


@dataclass(frozen=True)
class BetweenSessions:
    """The variation of a speed-up between sessions. Standard deviations are of log ratios, so they are shares."""

    sessions: int
    sd: float  # standard deviation between sessions
    sd_high: float  # upper bound of its 95 % confidence interval
    widening: float  # how many times as wide the interval of one session must be to hold for other sessions too
    missed: int  # sessions whose interval does not contain the mean of all sessions

    def metrics(self) -> dict[str, float]:
        """The metrics by MLflow name."""
        return {
            "noise/sessions": float(self.sessions), "noise/between_sessions_sd": self.sd,
            "noise/between_sessions_sd_high": self.sd_high, "noise/between_sessions_widening": self.widening,
            "noise/sessions_missed_count": float(self.missed),
        }  # fmt: skip


def between_sessions(log_ratios: Sequence[np.ndarray]) -> BetweenSessions | None:
    """The variation between sessions; None with fewer than three. `log_ratios`: float64 (pairs,) of each session.

    Random effects by moments (Cochran 1954): the variance of the sessions' means, less the mean of their squared standard
    errors. The upper bound takes the variance of the means as chi-squared. Each session has at least two pairs.
    """
    from scipy.special import chdtri

    count = len(log_ratios)
    if count < MIN_SESSIONS:
        return None
    means = np.array([values.mean() for values in log_ratios])
    within = float(np.mean([values.var(ddof=1) / len(values) for values in log_ratios]))
    total = float(means.var(ddof=1))
    highest = (count - 1) * total / float(chdtri(count - 1, (1 + CONFIDENCE) / 2))
    between = max(0.0, total - within)
    truth = float(np.exp(means.mean()))
    intervals = [ratio_interval(values) for values in log_ratios]
    return BetweenSessions(
        sessions=count, sd=float(np.sqrt(between)), sd_high=float(np.sqrt(max(0.0, highest - within))),
        widening=float(np.sqrt(1 + between / within)) if within else 1.0,
        missed=sum(not interval.low <= truth <= interval.high for interval in intervals),
    )  # fmt: skip
