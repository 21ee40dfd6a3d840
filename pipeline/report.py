"""`Report`: the measurements of one classifier. Raw samples are kept; summaries and ratios are derived from them.

Standard library and NumPy only: whatever draws, tracks or decides reads reports and never sees a model.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

BYTES_PER_MB = 2**20  # as in the book
PERCENTILES = (50, 90, 95, 99)


@dataclass(frozen=True)
class Latency:
    """Milliseconds of single calls, tokenization included: `samples_ms[p, q]` is pass p over query q, warm."""

    samples_ms: np.ndarray
    load_ms: float  # process ready -> classifier loaded
    first_call_ms: float  # the first call after loading
    texts_per_s: float  # in batches
    peak_mb: float  # the process's peak resident memory, after loading and single calls

    def summary(self) -> dict[str, float]:
        """Mean, standard deviation (of single calls, ddof 1) and percentiles in ms, with the cold figures beside them."""
        samples = self.samples_ms.ravel()
        spread = float(samples.std(ddof=1)) if samples.size > 1 else 0.0
        figures = {"latency/mean_ms": float(samples.mean()), "latency/std_ms": spread}
        for percentile in PERCENTILES:
            figures[f"latency/p{percentile}_ms"] = float(np.percentile(samples, percentile))
        return {
            **figures,
            "latency/first_call_ms": self.first_call_ms,
            "throughput/texts_per_s": self.texts_per_s,
            "load/ms": self.load_ms,
            "memory/peak_mb": self.peak_mb,
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
    scores: np.ndarray  # float64 (n,), softmax probability of the predicted label
    labels: list[str]


@dataclass(frozen=True)
class Report:
    """All measurements of one classifier; `baseline` has the baseline's, None when this is the baseline."""

    optim: str
    quality: dict[str, float]  # 0 to 1; see `pipeline.measure.quality`
    size: Size
    latency: Latency
    predictions: Predictions
    baseline: "Baseline | None" = None

    def metrics(self) -> dict[str, float]:
        """The flat dictionary that MLflow gets; names carry their unit, qualities are shares from 0 to 1."""
        flat = {f"quality/{name}": value for name, value in self.quality.items()}
        flat |= self.latency.summary() | self.size.summary()
        if self.baseline is None:  # it is the baseline, and equals itself
            return flat | {"delta/speedup": 1.0, "delta/size_ratio": 1.0, "delta/accuracy_pp": 0.0}
        return flat | self.baseline.compared_with(self)


@dataclass(frozen=True)
class Baseline:
    """The baseline, as measured in the same session as the candidate, the two taking turns on the same queries."""

    samples_ms: np.ndarray  # (passes, queries), the same shape and queries as the candidate's
    size: Size
    accuracy: float

    def compared_with(self, candidate: Report) -> dict[str, float]:
        """Speed-up, size ratio (above 1: smaller than the baseline) and the change of accuracy in percentage points.

        The speed-up is the median over queries and passes of the paired ratio baseline / candidate.
        """
        ratios = self.samples_ms / candidate.latency.samples_ms
        return {
            "delta/speedup": float(np.median(ratios)),
            "delta/size_ratio": self.size.total_bytes / candidate.size.total_bytes,
            "delta/accuracy_pp": 100 * (candidate.quality["accuracy"] - self.accuracy),
        }


@dataclass(frozen=True)
class Row:
    """One optimization in a comparison: its newest run's final metrics."""

    optim: str
    metrics: dict[str, float]
    run_id: str = ""
    is_baseline: bool = False
    settings: str = ""  # what a sweep varies besides optimization and seed
    seed: int | None = None
    spread: dict[str, float] = field(default_factory=dict)  # standard deviation over seeds (ddof 1), where there are several
    count: int = 1  # runs it is the mean of

    @property
    def name(self) -> str:
        """What it is called in a table or plot."""
        return f"{self.optim} {self.settings}".strip() + (f" ({self.count} seeds)" if self.count > 1 else "")


def averaged(rows: Iterable[Row]) -> list[Row]:
    """Rows that differ only in their seed as one: the mean of each metric, and its spread."""
    groups: dict[tuple[str, str, bool], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.optim, row.settings, row.is_baseline), []).append(row)
    return [row for group in groups.values() for row in _means(group)]


def _means(rows: list[Row]) -> list[Row]:
    if len(rows) == 1 or len({row.seed for row in rows}) < len(rows):  # what has the same seed differs in something else
        return rows
    shared = [key for key in rows[0].metrics if all(key in row.metrics for row in rows)]
    values = {key: np.array([row.metrics[key] for row in rows]) for key in shared}
    means = {key: float(value.mean()) for key, value in values.items()}
    spread = {key: float(value.std(ddof=1)) for key, value in values.items()}
    return [replace(rows[0], metrics=means, run_id="", spread=spread, count=len(rows))]


METRICS = (
    "quality/accuracy", "quality/f1_macro", "quality/in_scope_accuracy", "quality/oos_recall", "quality/oos_precision",
    "latency/mean_ms", "latency/std_ms", *(f"latency/p{percentile}_ms" for percentile in PERCENTILES),
    "latency/first_call_ms", "throughput/texts_per_s", "load/ms", "memory/peak_mb", "size/mb", "size/weights_mb",
    "delta/speedup", "delta/size_ratio", "delta/accuracy_pp",
)  # fmt: skip  # of every report; the steps add what they checked and reached


def order(rows: Iterable[Row]) -> list[Row]:
    """The baseline first, then the slowest to the fastest."""
    return sorted(rows, key=lambda row: (not row.is_baseline, -row.metrics["latency/p50_ms"], row.optim))
