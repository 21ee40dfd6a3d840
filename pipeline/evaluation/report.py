"""`Report`: the measurements of one classifier. It keeps raw samples, and derives summaries and ratios from them.

NumPy and SciPy only: plots, tracking and decisions read reports and never see a model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.evaluation.latency.samples import Pair, Samples, percentile_ms, percentile_speedup, speedup
from pipeline.evaluation.metrics import HEADLINES, METRICS, validation_key
from pipeline.evaluation.profile import Profile
from pipeline.evaluation.quality.paired import PairedQuality
from pipeline.evaluation.statistics import verdict
from pipeline.system.machine import Conditions
from pipeline.system.units import BYTES_PER_MB
from pipeline.tasks import SINGLE_LABEL, Task
from pipeline.tasks.base import same
from pipeline.tasks.inputs import Input

PERCENTILES = (50, 90, 95, 99)
TAGS = ("verdict", "stopped", "contended", "pinned_to")  # tags of a run; empty ones are left out
MAX_DESCHEDULED_SHARE = 0.1  # of the blocks; on a quiet machine it is about 0.01
COMPARED_PERCENTILES = (50, 95)  # those with a speed-up of their own
SPEEDUPS = tuple(
    name
    for key in ("delta/speedup", *(f"delta/speedup_p{percentile}" for percentile in COMPARED_PERCENTILES))
    for name in METRICS[key].names
)


@dataclass(frozen=True)
class Latency:
    """Single calls of one classifier in several fresh processes, and the measurements of one further process."""

    processes: tuple[Samples, ...]
    load_ms: float  # loading the classifier in a ready process, imports included
    first_call_ms: float  # the first call after loading
    texts_per_s: float  # in batches
    memory: dict[str, float] = field(default_factory=dict)  # by MLflow name, MB; as far as the platform reports it
    threads: int = 1
    cores: tuple[int, ...] = ()  # the processes were pinned to these; (): not pinned
    tasks: int | None = None  # threads of a process, the runtime's own included; None where unknown

    def summary(self) -> dict[str, float]:
        """Mean, standard deviation (of single calls, ddof 1), percentiles, load time, first call, throughput and memory.

        Mean and standard deviation are of all calls; percentiles are `percentile_ms`, p95 with its confidence interval.
        """
        samples = np.concatenate([process.ms for process in self.processes])
        std_ms = float(samples.std(ddof=1)) if samples.size > 1 else 0.0
        metrics = {"latency/mean_ms": float(samples.mean()), "latency/std_ms": std_ms}
        for percentile in PERCENTILES:
            known, key = percentile_ms(self.processes, percentile), f"latency/p{percentile}_ms"
            metrics[key] = known.value
            if METRICS[key].interval and np.isfinite(known.high):  # one process has no interval
                metrics |= {key + bound: value for bound, value in known.bounds().items()}
        return {
            **metrics,
            "latency/first_call_ms": self.first_call_ms,
            "throughput/texts_per_s": self.texts_per_s,
            "load/ms": self.load_ms,
            **self.memory,
        }


@dataclass(frozen=True)
class Size:
    """Bytes on disk: all files that serving needs, and the weights."""

    total_bytes: int
    weights_bytes: int

    def summary(self) -> dict[str, float]:
        """The sizes in MB (2^20 bytes)."""
        return {"size/mb": self.total_bytes / BYTES_PER_MB, "size/weights_mb": self.weights_bytes / BYTES_PER_MB}


@dataclass(frozen=True)
class Predictions:
    """A classifier's predictions for a split, text by text."""

    texts: Sequence[Input]
    truth: np.ndarray  # int64 (n,), index into labels; or bool (n, labels), see `pipeline.tasks`
    predicted: np.ndarray  # the same
    scores: np.ndarray  # float64 (n,) or (n, labels), 0 to 1, see `pipeline.tasks.base.Answers`
    labels: list[str]
    oos: int | None  # index of the out-of-scope label
    abstained: np.ndarray  # bool (n,), whether the decision rule abstained
    task: Task = SINGLE_LABEL

    @property
    def right(self) -> np.ndarray:
        """Which predictions are right, in all labels: bool (n,)."""
        return same(self.predicted, self.truth)

    def calibration(self) -> tuple[np.ndarray, np.ndarray]:
        """See `Task.calibration`."""
        return self.task.calibration(self.scores, self.predicted, self.truth)


@dataclass(frozen=True)
class Judged:
    """A classifier judged by its predictions for one split."""

    predictions: Predictions
    quality: dict[str, float]  # 0 to 1; see `Task.quality`; {} where the weights are random
    without_rule: Predictions | None = None  # predictions without the decision rule, if it has one
    argmax: dict[str, float] = field(default_factory=dict)  # the quality of `without_rule`
    baseline: Predictions | None = None  # the baseline's predictions; None for itself, and where there is no `change`
    change: PairedQuality | None = None  # from the baseline; None where one of the two has random weights

    def metrics(self) -> dict[str, float]:
        """Its metrics by the names that they have in MLflow for the test split."""
        flat = {f"quality/{name}": value for name, value in self.quality.items()}
        flat |= {f"argmax/{name}": value for name, value in self.argmax.items()}
        return flat | (self.change.metrics() if self.change is not None else {})


@dataclass(frozen=True)
class Report:
    """All measurements of one classifier. `comparison` is the comparison with the baseline; None for the baseline itself."""

    optim: str
    test: Judged
    validation: Judged  # cross-fitted, where a decision rule was fitted on these texts
    size: Size
    latency: Latency
    conditions: Conditions
    comparison: "Comparison | None" = None
    profile: Profile | None = None
    contended_afterwards: str | None = None  # why the measurements after the pairs are doubtful; None: they are not

    def metrics(self) -> dict[str, float]:
        """All metrics by MLflow name. Names contain the unit; qualities are shares from 0 to 1."""
        judged = [self.test.metrics(), self.validation.metrics()]
        if self.comparison is None:  # the baseline equals itself
            judged = [metrics | _no_change(metrics) for metrics in judged]
        flat = judged[0] | {validation_key(name): value for name, value in judged[1].items()}
        flat |= self.latency.summary() | self.size.summary() | self.conditions.metrics()
        flat |= self.profile.metrics if self.profile is not None else {}
        flat |= {} if self.descheduled is None else {"machine/descheduled_blocks": self.descheduled}
        flat |= {} if self.latency.tasks is None else {"machine/worker_threads": float(self.latency.tasks)}
        if self.comparison is None:
            return flat | dict.fromkeys(SPEEDUPS, 1.0) | {"delta/size_ratio": 1.0}
        return flat | self.comparison.metrics(self)

    @property
    def verdict(self) -> str:
        """Faster, slower, equivalent or inconclusive; "" for the baseline and for a single pair."""
        return self.comparison.verdict if self.comparison is not None else ""

    @property
    def descheduled(self) -> float | None:
        """Share of the blocks, of candidate and baseline, in which the operating system took the worker off its core.

        None with several threads: then the CPU time of a process does not show it.
        """
        if self.latency.threads > 1:
            return None
        others = self.comparison.pairs if self.comparison is not None else ()
        processes = [*self.latency.processes, *(pair.baseline for pair in others)]
        return float(np.mean([block.descheduled for process in processes for block in process.blocks]))

    @property
    def contended(self) -> str:
        """Why metrics are doubtful, and which ones, in one phrase; "" where they are not."""
        later = f"memory, throughput and profile only: {self.contended_afterwards}" if self.contended_afterwards else ""
        return self.conditions.contended or descheduling_message(self.descheduled) or later

    def tags(self) -> dict[str, str]:
        """The tags of a run: verdict, why measuring stopped, why metrics are doubtful, cores. Empty ones are left out."""
        stopped = self.comparison.stopped if self.comparison is not None else ""
        pinned = ", ".join(map(str, self.latency.cores))
        tags = zip(TAGS, (self.verdict, stopped, self.contended, pinned), strict=True)
        return {name: value for name, value in tags if value}


def descheduling_message(share: float | None) -> str:
    """A message about a large share of descheduled blocks; "" where it is small or unknown."""
    return f"a worker was put off its core in {share:.0%} of the blocks" if share and share > MAX_DESCHEDULED_SHARE else ""


@dataclass(frozen=True)
class Comparison:
    """Candidate compared with the baseline, in pairs of fresh processes that took turns on the same queries."""

    pairs: tuple[Pair, ...]
    stopped: str  # why measuring stopped
    margin: float  # speeds that differ by at most this share count as equal
    size: Size  # the baseline's

    @property
    def verdict(self) -> str:
        """Faster, slower, equivalent or inconclusive; "" for a single pair, which has no interval."""
        return verdict(speedup(self.pairs), self.margin) if len(self.pairs) > 1 else ""

    def metrics(self, candidate: Report) -> dict[str, float]:
        """Speed-ups with bounds, size ratio (above 1: smaller)."""
        metrics: dict[str, float] = {}
        percentiles = {f"_p{each}": percentile_speedup(self.pairs, each) for each in COMPARED_PERCENTILES}
        for name, interval in {"": speedup(self.pairs), **percentiles}.items():
            bounds = {f"delta/speedup{name}{bound}": value for bound, value in interval.bounds().items()}
            known = bounds if np.isfinite(interval.high) else {}  # one pair has no interval
            metrics |= {f"delta/speedup{name}": interval.value, **known}
        return {
            **metrics,
            "delta/pairs": float(len(self.pairs)),
            "delta/margin": self.margin,
            "delta/size_ratio": self.size.total_bytes / candidate.size.total_bytes,
        }


def _no_change(metrics: Mapping[str, float]) -> dict[str, float]:
    """The changes that a table shows, of a baseline with these metrics; {} where its answers are not judged."""
    return {f"delta/{name}_pp": 0.0 for name in HEADLINES if f"quality/{name}" in metrics}
