"""`METRICS`: every metric of a comparison is declared here, once.

A new metric is one declaration in `METRICS`, and the place that computes it. Table, legend, constraints, the check of
`objective`, MLflow's view and the tags of a registered model read this registry whenever they need it. Its order is that of
the table's columns. What steps and the profile note of themselves (`training/...`, `profile/...`) is not declared.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

BOUNDS = ("_low", "_high")  # what follows a metric's name in those of its interval's ends
HIGHER, LOWER = 1, -1  # the direction in which a metric is better; 0: neither
VIEW, CHART, TAG = "view", "chart", "tag"  # a column of MLflow's view, a bar chart in it, a tag of a registered model


@dataclass(frozen=True)
class Constraint:
    """`constraints.KEY`: what is shipped must have at most that much of a metric of which less is better, else at least."""

    key: str
    words: str  # what the metric is called in a sentence
    decimals: int  # of the metric, where it is told beside the constraint
    scale: float = 1.0  # what is given * scale has the unit in which the metric is shown
    share: bool = False  # what is given is a share

    @property
    def allowed(self) -> dict[str, float]:
        """The range of what may be given, see `pipeline.config.setting`."""
        return {"min": 0, "max": 1} if self.share else {"above": 0}


@dataclass(frozen=True)
class Metric:
    """One measured value. It is shown as value * `scale` in `unit`."""

    key: str  # its name in MLflow
    unit: str = ""  # "x": a ratio; " pp": a difference
    direction: int = 0
    decimals: int = 2  # in the table
    scale: float = 1.0
    title: str = ""  # of its column in the table; "": it has none
    explained: str = ""  # the sentence of the legend
    constraint: Constraint | None = None
    interval: bool = False  # it has bounds, under `key` + `BOUNDS`; it is uncertain where a run lacks them
    always: bool = True  # in every report; else where the platform tells, the profile is measured, or there is a baseline
    of_answers: bool = False  # it judges the answers: a classifier with random weights does not have it
    dropped: int = 0  # its turn to be left out where the table is too wide for a terminal; 0: never
    shown_in: tuple[str, ...] = ()  # besides the table: VIEW, CHART, TAG

    @property
    def names(self) -> tuple[str, ...]:
        """Its name in MLflow, and those of its bounds if it has some."""
        return (self.key, *(self.key + bound for bound in BOUNDS if self.interval))

    @property
    def shown_names(self) -> tuple[str, ...]:
        """Those that are shown: bounds stand beside what compares with the baseline only."""
        return self.names if self.compared else (self.key,)

    @property
    def compared(self) -> bool:
        """Whether it compares with the baseline."""
        return self.key.startswith("delta/")

    @property
    def of_baseline(self) -> float | None:
        """What the baseline has, since it equals itself; None where the metric is neither a ratio nor a difference."""
        return {"x": 1.0, " pp": 0.0}.get(self.unit) if self.compared else None


def quality(
    name: str, words: str, title: str = "", explained: str = "", *, proportion: bool = False, compared: bool = True,
    direction: int = HIGHER, dropped: int = 0, shown_in: tuple[str, ...] = (),
    without_rule: Mapping[str, Any] | None = None, change: Mapping[str, Any] | None = None,
) -> list[Metric]:  # fmt: skip
    """All metrics that belong to one quality of the answers, a share from 0 to 1; `words` is its name in a sentence.

    They are the quality itself and that without the decision rule. With `compared` there are also its bounds, its change
    from the baseline in percentage points with bounds, and the constraints `min_NAME` and `NAME_loss`. A `proportion` (a
    share of a fixed set of queries) has the p-value of McNemar's test. `without_rule` and `change` are further fields of
    those two metrics.
    """
    share: dict[str, Any] = {"unit": " %", "direction": direction, "decimals": 1, "scale": 100, "of_answers": True}
    least = Constraint(f"min_{name}", words, 2, 100, share=True) if compared else None
    column: dict[str, Any] = {"title": title, "explained": explained, "dropped": dropped, "shown_in": shown_in}
    found = [
        Metric(f"quality/{name}", **share, **column, constraint=least, interval=compared),
        Metric(f"argmax/{name}", **share, **(without_rule or {}), always=False),
    ]
    if compared:
        loss = Constraint(f"{name}_loss", f"change of {words}", 2, -100, share=True)
        points: dict[str, Any] = {"unit": " pp", "direction": direction, "decimals": 1, "of_answers": True}
        found.append(
            Metric(f"delta/{name}_pp", **points, constraint=loss, interval=True, **{"always": False, **(change or {})})
        )
    if proportion:
        found.append(Metric(f"delta/{name}_mcnemar_p", decimals=4, always=False, of_answers=True))
    return found


def declared(*groups: Metric | Iterable[Metric]) -> dict[str, Metric]:
    """Metrics by their key, in their order."""
    every = [metric for group in groups for metric in ([group] if isinstance(group, Metric) else group)]
    return {metric.key: metric for metric in every}


METRICS = declared(
    quality(
        "accuracy", "accuracy", "accuracy %", proportion=True, shown_in=(VIEW, TAG),
        without_rule={
            "title": "without rule %", "dropped": 11,
            "explained": "accuracy without its decision rule, which was fitted on the validation split.",
        },
        change={
            "title": "change pp", "always": True, "shown_in": (VIEW, CHART, TAG),
            "explained": "accuracy less that of the baseline, in percentage points.",
        },
    ),
    quality("in_scope_accuracy", "in-scope accuracy", "in-scope %", proportion=True, dropped=13,
            explained="accuracy on the texts that belong to one of the classes."),
    quality("oos_recall", "out-of-scope recall", "oos recall %", proportion=True,
            explained="of the texts that belong to no class (out of scope), the share that is recognized."),
    quality("oos_precision", "out-of-scope precision"),
    quality("f1_macro", "macro F1", "macro F1 %", dropped=1,
            explained="each class's harmonic mean of precision and recall, averaged over the classes."),
    quality("ece", "calibration error", "ECE %", compared=False, direction=LOWER, dropped=2,
            explained="how far scores are from the shares that are right, on average (expected calibration error)."),
    Metric("delta/agreement", " %", HIGHER, 1, 100, always=False, of_answers=True),
    Metric("delta/gained", decimals=0, direction=HIGHER, always=False, of_answers=True),
    Metric("delta/lost", decimals=0, direction=LOWER, always=False, of_answers=True),
    Metric("latency/mean_ms", " ms", LOWER),
    Metric("latency/std_ms", " ms", LOWER),
    Metric("latency/p50_ms", " ms", LOWER, title="p50 ms", shown_in=(VIEW, TAG),
           explained="latency of one text, tokenization included; half of the calls take at most this long."),
    Metric("latency/p90_ms", " ms", LOWER),
    Metric("latency/p95_ms", " ms", LOWER, title="p95 ms", interval=True, dropped=12, shown_in=(VIEW, CHART, TAG),
           constraint=Constraint("latency_p95_ms", "p95", 2),
           explained="95 of 100 calls take at most this long."),
    Metric("latency/p99_ms", " ms", LOWER),
    Metric("latency/first_call_ms", " ms", LOWER),
    Metric("load/ms", " ms", LOWER),
    Metric("delta/speedup", "x", HIGHER, title="faster", interval=True, shown_in=(VIEW, CHART, TAG),
           constraint=Constraint("speedup", "speed-up", 2),
           explained="how many times as fast as the baseline (*) a typical text is answered; 1x is equally fast, 0.5x half "
                     "as fast. For this ratio both took turns on the same texts, so a slow moment of the machine hits both. "
                     "The ms of two rows were measured at different moments: don't divide them."),
    Metric("delta/speedup_p95", "x", HIGHER, title="slow calls", interval=True,
           explained="the same for slow calls, by p95."),
    Metric("delta/pairs", decimals=0, always=False),
    Metric("delta/margin", " %", scale=100, decimals=1, always=False),
    Metric("size/mb", " MB", LOWER, 1, title="size MB", constraint=Constraint("size_mb", "size", 1), shown_in=(VIEW, TAG),
           explained="all files that serving needs; 1 MB is 2^20 bytes."),
    Metric("size/weights_mb", " MB", LOWER, 1),
    Metric("delta/size_ratio", "x", HIGHER, title="smaller", dropped=10, shown_in=(VIEW, CHART),
           explained="how many times the baseline's files are larger."),
    Metric("size/dense_mb", " MB", LOWER, 1, title="with zeros MB", dropped=7, always=False,
           explained="the size if the zeros were stored like other numbers, as most programs do."),
    Metric("prune/sparsity", " %", decimals=1, scale=100, title="zeros %", dropped=6, always=False,
           explained="share of the weights that are zero; zeros make nothing faster."),
    Metric("throughput/texts_per_s", "/s", HIGHER, 0, title="texts/s", dropped=3, shown_in=(VIEW,),
           explained="texts in a second, in batches of measure.batch_size; ONNX int8 one by one."),
    Metric("cost/texts_per_core_s", "/s", HIGHER, 0, title="texts/s/core", dropped=5, always=False,
           explained="texts in a second by one process that serves 1 to 8 clients, the best of these, divided by its cores "
                     "(4 at most, where it can be pinned). Measured once, not in turns with the baseline: the same network "
                     "was seen to differ by 40 %."),
    Metric("memory/peak_mb", " MB", LOWER, 0, title="peak MB", dropped=8, shown_in=(VIEW,),
           constraint=Constraint("memory_mb", "peak memory", 0),
           explained="the most memory that its process had, loaded and warmed up."),
    Metric("memory/peak_warm_mb", " MB", LOWER, 0, always=False),
    Metric("memory/pss_loaded_mb", " MB", LOWER, 0, always=False),
    Metric("memory/pss_warm_mb", " MB", LOWER, 0, title="PSS MB", dropped=4, always=False,
           explained="memory after a thousand calls; what several processes share is counted in parts."),
    Metric("memory/pss_peak_mb", " MB", LOWER, 0, always=False),
    Metric("cost/price_per_million_texts", "", LOWER, 3, title="price/M", dropped=9, always=False,
           explained="price of a million texts, in the currency of measure.price_per_core_hour."),
)  # fmt: skip


def names() -> list[str]:
    """All names in MLflow, bounds included."""
    return [name for metric in METRICS.values() for name in metric.names]


def columns() -> list[Metric]:
    """Those that the table shows, in its order."""
    return [metric for metric in METRICS.values() if metric.title]


def shown_in(place: str) -> list[Metric]:
    """Those of MLflow's view, its charts, or a registered model's tags."""
    return [metric for metric in METRICS.values() if place in metric.shown_in]


def constraints() -> dict[str, tuple[Metric, Constraint]]:
    """What may be asked for, by its key: the metric and how it is bounded."""
    found = [(metric, metric.constraint) for metric in METRICS.values()]
    return {constraint.key: (metric, constraint) for metric, constraint in found if constraint is not None}


def quality_names() -> list[str]:
    """Names of the qualities that are compared with the baseline, without their section: accuracy, f1_macro, ..."""
    qualities = [metric for metric in METRICS.values() if metric.key.startswith("quality/") and metric.interval]
    return [metric.key.removeprefix("quality/") for metric in qualities]


def may_exist(name: str) -> bool:
    """Whether a run may have a metric of this name: a declared one, or one of a section that steps fill on their own."""
    section, slash, _ = name.partition("/")
    closed = {metric.key.partition("/")[0] for metric in METRICS.values() if metric.always}
    return name in names() or (bool(slash) and section not in closed)
