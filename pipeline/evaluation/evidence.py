"""`Evidence`: what a run's files hold text by text and pair by pair, so that two runs can be compared with each other.

The metrics of a run say how it differs from the baseline. Whether two candidates differ can't be read from these: their own
flips and the spread of their own pairs tell it.
"""

from dataclasses import dataclass, field

import numpy as np

from pipeline.tasks.inputs import Input


@dataclass(frozen=True, eq=False)
class Answered:
    """Which texts of a split are answered right."""

    texts: tuple[Input, ...]
    right: np.ndarray  # bool (texts,)
    baseline: np.ndarray | None = None  # bool (texts,), by the baseline of this run; None for the baseline itself
    outside: np.ndarray | None = None  # bool (texts,), which are out of scope; None where the data have no such label
    parts: np.ndarray | None = None  # uint8 (texts, parts), what each adds to the metric that ranks (`Task.parts_of`)
    labels: np.ndarray | None = None  # str (m,), the class of each text, or of each true label, see `Task.classes`
    recalled: np.ndarray | None = None  # bool (m,): which of them are answered; None: those of the texts that are right
    baseline_recalled: np.ndarray | None = None  # bool (m,): the same of the baseline

    @property
    def by_class(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Which of `labels` this classifier answers, and its baseline."""
        return (self.right, self.baseline) if self.recalled is None else (self.recalled, self.baseline_recalled)


@dataclass(frozen=True, eq=False)
class Evidence:
    """The evidence of one run. A run that is older than one of its files lacks that part."""

    texts: tuple[Input, ...] = ()  # of the validation split
    right: np.ndarray | None = None  # bool (texts,): which of them it answers right
    baseline_right: np.ndarray | None = None  # bool (texts,): the same of the baseline that it was compared with
    outside: np.ndarray | None = field(default=None, kw_only=True)  # bool (texts,), which are out of scope
    parts: np.ndarray | None = field(default=None, kw_only=True)  # uint8 (texts, parts), see `Answered`
    labels: np.ndarray | None = field(default=None, kw_only=True)  # these three as in `Answered`
    recalled: np.ndarray | None = field(default=None, kw_only=True)
    baseline_recalled: np.ndarray | None = field(default=None, kw_only=True)
    test: Answered | None = None  # the same for the test split, to confirm with
    log_ratios: np.ndarray = field(default_factory=lambda: np.empty(0))  # float64 (pairs,): log speed-up of each pair
    p95_log_ratios: np.ndarray = field(default_factory=lambda: np.empty(0))  # float64 (pairs,): the same of the p95
    baseline_ms: tuple[np.ndarray, ...] = ()  # each float64 (calls,): the baseline's processes that it was compared with

    @property
    def validation(self) -> Answered | None:
        """Its answers to the validation split."""
        if self.right is None:
            return None
        return Answered(
            self.texts, self.right, self.baseline_right, self.outside, self.parts, self.labels, self.recalled,
            self.baseline_recalled,
        )  # fmt: skip


def from_calls(who: np.ndarray, pair: np.ndarray, ms: np.ndarray) -> Evidence:
    """The evidence of timed calls: `who` is "candidate" or "baseline", `pair` the number of the pair, each (calls,).

    The log speed-up of a pair is log(the baseline's mean time of a call / the candidate's), that of the p95 likewise.
    """
    ours = who == "candidate"
    baseline, ratios, slow = [], [], []
    for number in np.unique(pair):
        of_pair = pair == number
        baseline.append(ms[of_pair & ~ours])
        if (of_pair & ours).any():
            times = ms[of_pair & ours]
            ratios.append(np.log(baseline[-1].mean() / times.mean()))
            slow.append(np.log(np.percentile(baseline[-1], 95) / np.percentile(times, 95)))
    return Evidence(log_ratios=np.array(ratios), p95_log_ratios=np.array(slow), baseline_ms=tuple(baseline))
