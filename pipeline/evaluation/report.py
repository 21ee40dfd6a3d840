"""`Report`: the measurements of one classifier. Raw samples are kept; summaries and ratios are derived from them.

NumPy and SciPy only: whatever draws, tracks or decides reads reports and never sees a model.
"""

from dataclasses import dataclass, field

import numpy as np

from pipeline.evaluation.latency.samples import Pair, Samples, speedup, speedup_p95
from pipeline.evaluation.metrics import METRICS
from pipeline.evaluation.profile import Profile
from pipeline.evaluation.quality.paired import PairedQuality
from pipeline.evaluation.statistics import ratio_interval, verdict
from pipeline.system.machine import Conditions
from pipeline.system.units import BYTES_PER_MB

PERCENTILES = (50, 90, 95, 99)
TAGS = ("verdict", "stopped", "contended", "pinned_to")  # of a run; those with nothing to say are not there
DESCHEDULED = 0.1  # share of blocks; on a quiet machine it is about 0.01
SPEEDUPS = tuple(name for key in ("delta/speedup", "delta/speedup_p95") for name in METRICS[key].names)


@dataclass(frozen=True)
class Latency:
    """Single calls of one classifier in several fresh processes, and what a further one did, alone."""

    processes: tuple[Samples, ...]
    load_ms: float  # process ready -> classifier loaded, imports included
    first_call_ms: float  # the first call after loading
    texts_per_s: float  # in batches
    memory: dict[str, float] = field(default_factory=dict)  # by its name in MLflow, MB; what the platform tells of it
    threads: int = 1
    cores: tuple[int, ...] = ()  # that the processes were pinned to; (): to none
    tasks: int | None = None  # threads that a process really has, the runtime's own included; None where it is not told

    def summary(self) -> dict[str, float]:
        """Mean, standard deviation (of single calls, ddof 1) and percentiles in ms, with the cold metrics beside them.

        p95 is the geometric mean of what the processes have, with the bounds that follow from how they differ.
        """
        samples = np.concatenate([process.ms for process in self.processes])
        spread = float(samples.std(ddof=1)) if samples.size > 1 else 0.0
        metrics = {"latency/mean_ms": float(samples.mean()), "latency/std_ms": spread}
        for percentile in PERCENTILES:
            metrics[f"latency/p{percentile}_ms"] = float(np.percentile(samples, percentile))
        if len(self.processes) > 1:
            p95 = ratio_interval(np.log([np.percentile(process.ms, 95) for process in self.processes]))
            metrics |= {"latency/p95_ms": p95.value, "latency/p95_ms_low": p95.low, "latency/p95_ms_high": p95.high}
        return {
            **metrics,
            "latency/first_call_ms": self.first_call_ms,
            "throughput/texts_per_s": self.texts_per_s,
            "load/ms": self.load_ms,
            **self.memory,
        }


@dataclass(frozen=True)
class Size:
    """Bytes on disk: all that serving needs, and the weights alone."""

    total_bytes: int
    weights_bytes: int

    def summary(self) -> dict[str, float]:
        """In MB (2^20 bytes)."""
        return {"size/mb": self.total_bytes / BYTES_PER_MB, "size/weights_mb": self.weights_bytes / BYTES_PER_MB}


@dataclass(frozen=True)
class Predictions:
    """What the classifier said about the test split, text by text."""

    texts: list[str]
    truth: np.ndarray  # int64 (n,), index into labels
    predicted: np.ndarray  # int64 (n,)
    scores: np.ndarray  # float64 (n,), 0 to 1, see `pipeline.runtimes.decision_rule`
    labels: list[str]
    oos: int | None  # index of the out-of-scope label
    abstained: np.ndarray  # bool (n,), whether a decision rule has turned the text away

    @property
    def right(self) -> np.ndarray:
        """Which texts got their own label: bool (n,)."""
        right: np.ndarray = self.predicted == self.truth
        return right


@dataclass(frozen=True)
class Report:
    """All measurements of one classifier; `comparison` is that with the baseline, None when this is the baseline."""

    optim: str
    quality: dict[str, float]  # 0 to 1; see `pipeline.evaluation.quality.scores`; {} where the weights are random
    size: Size
    latency: Latency
    predictions: Predictions
    conditions: Conditions
    comparison: "Comparison | None" = None
    profile: Profile | None = None
    contended_afterwards: str | None = None  # why what it did alone is doubtful; None: nothing is known against it
    without: Predictions | None = None  # what it would say without its decision rule, if it has one
    argmax: dict[str, float] = field(default_factory=dict)  # the quality of that

    def metrics(self) -> dict[str, float]:
        """The flat dictionary that MLflow gets; names carry their unit, qualities are shares from 0 to 1."""
        flat = {f"quality/{name}": value for name, value in self.quality.items()}
        flat |= {f"argmax/{name}": value for name, value in self.argmax.items()}
        flat |= self.latency.summary() | self.size.summary() | self.conditions.metrics()
        flat |= self.profile.metrics if self.profile is not None else {}
        flat |= {} if self.descheduled is None else {"machine/descheduled_blocks": self.descheduled}
        flat |= {} if self.latency.tasks is None else {"machine/worker_threads": float(self.latency.tasks)}
        if self.comparison is None:  # it is the baseline, and equals itself
            same = {"delta/accuracy_pp": 0.0} if self.quality else {}
            return flat | dict.fromkeys(SPEEDUPS, 1.0) | {"delta/size_ratio": 1.0} | same
        return flat | self.comparison.metrics(self)

    @property
    def verdict(self) -> str:
        """Faster, slower, equivalent or inconclusive; "" for the baseline, and of one pair only."""
        return self.comparison.verdict if self.comparison is not None else ""

    @property
    def descheduled(self) -> float | None:
        """Share of the blocks, of both if there were two, in which a worker was put off its core.

        None with several threads: then a process's CPU time does not tell.
        """
        if self.latency.threads > 1:
            return None
        others = self.comparison.pairs if self.comparison is not None else ()
        processes = [*self.latency.processes, *(pair.baseline for pair in others)]
        return float(np.mean([block.descheduled for process in processes for block in process.blocks]))

    @property
    def contended(self) -> str:
        """Why metrics are doubtful, and which, in one phrase; "" where nothing is known against them."""
        later = f"memory, throughput and profile only: {self.contended_afterwards}" if self.contended_afterwards else ""
        return self.conditions.contended or descheduled_reason(self.descheduled) or later

    def tags(self) -> dict[str, str]:
        """What is not a number: verdict, why no more pairs were measured, why metrics are doubtful if they are, cores."""
        stopped = self.comparison.stopped if self.comparison is not None else ""
        pinned = ", ".join(map(str, self.latency.cores))
        told = zip(TAGS, (self.verdict, stopped, self.contended, pinned), strict=True)
        return {name: value for name, value in told if value}


def descheduled_reason(share: float | None) -> str:
    """What is said of a share of descheduled blocks; "" where it is small or not known."""
    return f"a worker was put off its core in {share:.0%} of the blocks" if share and share > DESCHEDULED else ""


@dataclass(frozen=True)
class Comparison:
    """Candidate against baseline, in pairs of fresh processes that took turns on the same queries."""

    pairs: tuple[Pair, ...]
    stopped: str  # why no more pairs were added
    margin: float  # share: within it speeds are taken as equal
    size: Size  # the baseline's
    quality: PairedQuality | None  # None where one of both has random weights; and
    baseline: Predictions | None  # what the other one says

    @property
    def verdict(self) -> str:
        """Faster, slower, equivalent or inconclusive; "" of one pair, which has no interval."""
        return verdict(speedup(self.pairs), self.margin) if len(self.pairs) > 1 else ""

    def metrics(self, candidate: Report) -> dict[str, float]:
        """Speed-ups with their bounds, the size ratio (above 1: smaller), the changes of quality in percentage points."""
        metrics: dict[str, float] = {}
        for name, interval in (("", speedup(self.pairs)), ("_p95", speedup_p95(self.pairs))):
            bounds = {f"delta/speedup{name}_low": interval.low, f"delta/speedup{name}_high": interval.high}
            known = bounds if np.isfinite(interval.high) else {}  # one pair has no interval
            metrics |= {f"delta/speedup{name}": interval.value, **known}
        return {
            **metrics,
            "delta/pairs": float(len(self.pairs)),
            "delta/margin": self.margin,
            "delta/size_ratio": self.size.total_bytes / candidate.size.total_bytes,
            **(self.quality.metrics() if self.quality is not None else {}),
        }
