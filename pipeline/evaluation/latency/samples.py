"""Raw samples: what the calls of one worker process took, and pairs of such processes.

Nothing is dropped from them: a block of calls in which the process had to wait for the processor is marked, and counts.
Standard library and NumPy only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.evaluation.statistics import Interval, ratio_interval

WAITED = 0.05  # share of a block's time without the processor, from which on it is marked


@dataclass(frozen=True)
class Block:
    """Calls that a process answered before the other took its turn."""

    calls: int
    wall_ms: float
    cpu_ms: float  # processor time of the whole process, all its threads
    switches: int | None  # involuntary context switches: others were given the core; None where it is not told

    @property
    def descheduled(self) -> bool:
        """Whether the process was put off its core, for more than a moment."""
        return bool(self.switches) and self.cpu_ms < (1 - WAITED) * self.wall_ms


@dataclass(frozen=True)
class Samples:
    """One process: its timed single calls, warm, one text each, tokenization included, in passes over the queries."""

    ms: np.ndarray  # float64 (passes * queries,)
    tokenize_ms: np.ndarray  # float64 (passes * queries,): the part that tokenization took
    tokens: np.ndarray  # int64 (passes * queries,)
    blocks: tuple[Block, ...]  # in order; their calls add up to all
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
        """Of the speed-up of a typical query: the median over the calls of log(baseline's time / candidate's time)."""
        return float(np.median(np.log(self.baseline.ms / self.candidate.ms)))

    @cached_property
    def p95_log_ratio(self) -> float:
        """Of the speed-up of slow calls: log(95th percentile of the baseline's times / that of the candidate's)."""
        return float(np.log(np.percentile(self.baseline.ms, 95) / np.percentile(self.candidate.ms, 95)))


def speedup(pairs: Sequence[Pair]) -> Interval:
    """Of a typical query: above 1, the candidate is faster. The interval is over pairs."""
    return ratio_interval(np.array([pair.median_log_ratio for pair in pairs]))


def speedup_p95(pairs: Sequence[Pair]) -> Interval:
    """Of the slow calls."""
    return ratio_interval(np.array([pair.p95_log_ratio for pair in pairs]))
