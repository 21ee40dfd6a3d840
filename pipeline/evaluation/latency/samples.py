"""Raw samples: the times of the calls of one worker process, and pairs of such processes.

No sample is dropped: blocks in which the process had to wait for the processor are marked, and still count. Such moments hit
both processes of a pair about in proportion to their time: they widen the interval of the ratio, and hardly shift it.
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
    queries: tuple[int, ...] = ()  # of one pass: each text's index in the split, -1 for another text; () where unknown


@dataclass(frozen=True)
class Pair:
    """Two fresh processes that answered the same queries in turns."""

    candidate: Samples
    baseline: Samples
    candidate_first: bool  # which one was started first
    elapsed_s: float  # from the start of the session to the end of this pair

    @cached_property
    def log_ratio(self) -> float:
        """Log speed-up: log(mean of the baseline's times / mean of the candidate's times)."""
        return float(np.log(self.baseline.ms.mean() / self.candidate.ms.mean()))

    def percentile_log_ratio(self, percentile: float) -> float:
        """Log speed-up of a percentile: log(that of the baseline's times / that of the candidate's times)."""
        return float(np.log(np.percentile(self.baseline.ms, percentile) / np.percentile(self.candidate.ms, percentile)))


def speedup(pairs: Sequence[Pair]) -> Interval:
    """The ratio of the mean times of a call (above 1: the candidate is faster), with an interval over pairs.

    A median would flatter a classifier that answers most texts quickly and the others slowly, such as a cascade.
    """
    return ratio_interval(np.array([pair.log_ratio for pair in pairs]))


def percentile_speedup(pairs: Sequence[Pair], percentile: float) -> Interval:
    """The ratio of a percentile of the times, with an interval over pairs."""
    return ratio_interval(np.array([pair.percentile_log_ratio(percentile) for pair in pairs]))


def percentile_ms(processes: Sequence[Samples], percentile: float) -> Interval:
    """A percentile of the times of a call: the geometric mean of the processes' percentiles, with an interval over them.

    So a higher percentile is never below a lower one, and the ratio of two classifiers' percentiles in the same pairs is
    `percentile_speedup`.
    """
    return ratio_interval(np.log([np.percentile(process.ms, percentile) for process in processes]))
