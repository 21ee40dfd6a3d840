"""Raw samples: the times of the calls of one worker process, and pairs of such processes.

No sample is dropped: blocks in which the process had to wait for the processor are marked, and still count.
Standard library and NumPy only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.evaluation.statistics import Interval, ratio_interval

MIN_WAITING_SHARE = 0.05  # a block is marked where it waited for the processor for a larger share of its time


@dataclass(frozen=True)
class Block:
    """Calls that a process answered in one turn."""

    calls: int
    wall_ms: float
    cpu_ms: float  # processor time of the whole process, all its threads
    switches: int | None  # involuntary context switches: another process got the core; None where unknown

    @property
    def descheduled(self) -> bool:
        """Whether the operating system took the process off its core for more than a moment."""
        return bool(self.switches) and self.cpu_ms < (1 - MIN_WAITING_SHARE) * self.wall_ms


@dataclass(frozen=True)
class Samples:
    """The timed single calls of one warm process, one text each, tokenization included, in passes over the queries."""

    ms: np.ndarray  # float64 (passes * queries,)
    tokenize_ms: np.ndarray  # float64 (passes * queries,): the time of tokenization, a part of `ms`
    tokens: np.ndarray  # int64 (passes * queries,)
    blocks: tuple[Block, ...]  # in order; together they have all calls
    passes: int = 1


@dataclass(frozen=True)
class Pair:
    """Two fresh processes that answered the same queries in turns."""

    candidate: Samples
    baseline: Samples
    candidate_first: bool  # which one was started first
    elapsed_s: float  # from the start of the session to the end of this pair

    @cached_property
    def median_log_ratio(self) -> float:
        """Log speed-up of a typical query: the median over the calls of log(baseline's time / candidate's time)."""
        return float(np.median(np.log(self.baseline.ms / self.candidate.ms)))

    @cached_property
    def p95_log_ratio(self) -> float:
        """Log speed-up of slow calls: log(95th percentile of the baseline's times / that of the candidate's)."""
        return float(np.log(np.percentile(self.baseline.ms, 95) / np.percentile(self.candidate.ms, 95)))


def speedup(pairs: Sequence[Pair]) -> Interval:
    """The speed-up of a typical query (above 1: the candidate is faster), with an interval over pairs."""
    return ratio_interval(np.array([pair.median_log_ratio for pair in pairs]))


def speedup_p95(pairs: Sequence[Pair]) -> Interval:
    """The speed-up of slow calls, with an interval over pairs."""
    return ratio_interval(np.array([pair.p95_log_ratio for pair in pairs]))
