"""`METRICS`: every metric of a comparison is declared here, once.

A new metric is one declaration in `METRICS`, and the place that computes it. Table, legend, constraints, the check of
`objective`, MLflow's view and the tags of a registered model all read this registry. The table's columns have the same
order. Metrics that only steps or the profile log (`training/...`, `profile/...`) are not declared.

What rates answers is declared for the test split. Its twin on the validation split follows from that (`validation_key`).
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pipeline.steps.shared.agreement import MIN_AGREEMENT

BOUNDS = ("_low", "_high")  # suffixes of the names of an interval's bounds
VALIDATION = {"quality": "validation/", "argmax": "validation/argmax_", "delta": "validation/delta_"}  # section -> its twins
MIN_FLIPS = 30  # with fewer, the interval of a change that is no share of fixed texts depends on what a few of them hit
MIN_CLASS_TEXTS = 20  # a class with fewer on a split is not judged there, only shown
HIGHER, LOWER = 1, -1  # the better direction of a metric; 0: neither
LATENCY = "latency/mean_ms"  # the latency that ranks: a median flatters what answers most texts quickly and some slowly
HEADLINES = ("f1_micro", "accuracy")  # the qualities that rank: the first that a run has, see `headline`
VIEW, CHART, TAG = "view", "chart", "tag"  # a column of MLflow's view, a bar chart in it, a tag of a registered model


@dataclass(frozen=True)
class Constraint:
    """`constraints.KEY`: an upper bound on a metric where lower is better, else a lower bound."""

    key: str
    label: str  # the name of the metric in a sentence
    decimals: int  # of the metric in a message about the constraint
    scale: float = 1.0  # bound * scale has the unit in which the metric is shown
    share: bool = False  # the bound is a share, 0 to 1
    default: float | None = None  # the bound unless it is set; it holds only for candidates that have the metric

    @property
    def allowed(self) -> dict[str, float]:
        """The allowed range of the bound, see `pipeline.config.setting`."""
        return {"min": 0, "max": 1} if self.share else {"above": 0}


@dataclass(frozen=True)
class Metric:
    """One measured value. It is shown as value * `scale` in `unit`."""

    key: str  # its name in MLflow
    unit: str = ""  # "x": a ratio; " pp": a difference
    direction: int = 0
    decimals: int = 2  # in the table
    scale: float = 1.0
    title: str = ""  # of its column in the table; "": no column
    explanation: str = ""  # the sentence in the legend
    constraint: Constraint | None = None
    interval: bool = False  # it has bounds, named `key` + `BOUNDS`; without them a run's value is uncertain
    once: bool = False  # one measurement that is not repeated: its value varies, and has no interval
    always: bool = True  # in every report; False: it needs platform support, the profile, a decision rule or a baseline
    needs_training: bool = False  # it rates the answers, so a classifier with random weights does not have it
    min_flips: int = 0  # a bound on it is judged only if one of the two answers so many texts better
    drop_order: int = 0  # its column is left out of a table that is too wide in this order, lowest first; 0: never
    beside: str = ""  # the metric that its cell shows in parentheses
    shown_in: tuple[str, ...] = ()  # where it is shown besides the table: VIEW, CHART, TAG

    @property
    def names(self) -> tuple[str, ...]:
        """Its name in MLflow, and those of its bounds if it has any."""
        return (self.key, *(self.key + bound for bound in BOUNDS if self.interval))

    @property
    def shown_names(self) -> tuple[str, ...]:
        """The names to show: bounds only for comparisons with the baseline."""
        return self.names if self.compared else (self.key,)

    @property
    def compared(self) -> bool:
        """Whether it is a comparison with the baseline."""
        return self.key.startswith(("delta/", VALIDATION["delta"]))

    @property
    def on_test(self) -> bool:
        """Whether it rates answers to the test split. Then it has a twin that rates those to the validation split."""
        return self.needs_training and self.key.partition("/")[0] in VALIDATION

    @property
    def twin(self) -> str:
        """The name of its twin on the validation split."""
        section, _, name = self.key.partition("/")
        return VALIDATION[section] + name

    def on_validation(self) -> "Metric":
        """Its twin: neither a column nor a constraint."""
        return replace(self, key=self.twin, title="", explanation="", constraint=None, drop_order=0, beside="", shown_in=())

    @property
    def baseline_value(self) -> float | None:
        """The baseline's own value: 1 for a ratio, 0 for a difference, else None."""
        return {"x": 1.0, " pp": 0.0}.get(self.unit) if self.compared else None


def quality(
    name: str, label: str, title: str = "", explanation: str = "", *, proportion: bool = False, compared: bool = True,
    direction: int = HIGHER, drop_order: int = 0, shown_in: tuple[str, ...] = (), beside: str = "",
    without_rule: Mapping[str, Any] | None = None, change: Mapping[str, Any] | None = None,
) -> list[Metric]:  # fmt: skip
    """All metrics of one quality of the answers, a share from 0 to 1; `label` is its name in a sentence.

    They are the quality itself and the quality without the decision rule. With `compared` there are also its bounds, its
    change from the baseline in percentage points with bounds, and the constraints `min_NAME` and `NAME_loss`. A `proportion`
    (a share of a fixed set of queries) also has the p-value of McNemar's test; the change of another needs `MIN_FLIPS`.
    `without_rule` and `change` are further fields of these two metrics.
    """
    share: dict[str, Any] = {"unit": " %", "direction": direction, "decimals": 1, "scale": 100, "needs_training": True}
    least = Constraint(f"min_{name}", label, 2, 100, share=True) if compared else None
    column: dict[str, Any] = {
        "title": title,
        "explanation": explanation,
        "drop_order": drop_order,
        "shown_in": shown_in,
        "beside": beside,
    }
    found = [
        Metric(f"quality/{name}", **share, **column, constraint=least, interval=compared),
        Metric(f"argmax/{name}", **share, **(without_rule or {}), always=False),
    ]
    if compared:
        loss = Constraint(f"{name}_loss", f"change of {label}", 2, -100, share=True)
        points: dict[str, Any] = {"unit": " pp", "direction": direction, "decimals": 1, "needs_training": True}
        points |= {"interval": True, "min_flips": 0 if proportion else MIN_FLIPS, "always": False}
        found.append(Metric(f"delta/{name}_pp", constraint=loss, **{**points, **(change or {})}))
    if proportion:
        found.append(Metric(f"delta/{name}_mcnemar_p", decimals=4, always=False, needs_training=True))
    return found


def declared(*groups: Metric | Iterable[Metric]) -> dict[str, Metric]:
    """Metrics by key, in the order of their declaration; last the twins of those that rate answers."""
    every = [metric for group in groups for metric in ([group] if isinstance(group, Metric) else group)]
    twins = [metric.on_validation() for metric in every if metric.on_test]
    return {metric.key: metric for metric in [*every, *twins]}


METRICS = declared(
    quality(
        "accuracy", "accuracy", "accuracy %", proportion=True, shown_in=(VIEW, TAG),
        without_rule={
            "title": "without rule %", "drop_order": 11,
            "explanation": "accuracy without the decision rule, which was fitted on the validation split.",
        },
        change={
            "title": "change pp", "always": True, "shown_in": (VIEW, CHART, TAG),
            "explanation": "accuracy minus the baseline's accuracy, in percentage points.",
        },
    ),
    quality("in_scope_accuracy", "in-scope accuracy", "in-scope %", proportion=True, drop_order=14,
            explanation="accuracy on the texts that belong to one of the classes."),
    quality("oos_recall", "out-of-scope recall", "oos recall %", proportion=True,
            explanation="share of the texts that belong to no class (out of scope) that are recognized."),
    quality("oos_precision", "out-of-scope precision"),
    quality("f1_macro", "macro F1", "macro F1 %", drop_order=1,
            explanation="harmonic mean of a class's precision and recall, averaged over the classes."),
    quality("f1_micro", "micro F1", "micro F1 %", drop_order=17, shown_in=(VIEW, TAG),
            explanation="F1 of all labels of all texts together, where a text may have several; accuracy is then the share "
                        "of texts whose labels are all right.",
            change={
                "title": "F1 change pp", "drop_order": 18, "shown_in": (VIEW, CHART, TAG),
                "explanation": "micro F1 minus the baseline's micro F1, in percentage points.",
            }),
    quality("f1_samples", "samples F1"),
    quality("average_precision", "macro average precision", compared=False),
    quality("balanced_accuracy", "balanced accuracy", "balanced %", drop_order=-3,
            explanation="recall of a class, averaged over the classes: each counts alike, however few texts it has."),
    quality("class_recall", "recall of the worst class", "worst class %", drop_order=-1,
            explanation=f"lowest recall of a class with at least {MIN_CLASS_TEXTS} texts; classes.csv of the run has all.",
            change={
                "title": "worst change pp", "drop_order": -2, "min_flips": 0,
                "explanation": f"change of recall of the class that lost most, of those with {MIN_CLASS_TEXTS} or more "
                               "texts. The least of many is below 0 by chance, which its interval takes into account.",
            }),
    quality("ece", "calibration error", "ECE %", compared=False, direction=LOWER, drop_order=2,
            beside="quality/ece_by_chance",
            explanation="average difference between scores and the share of right answers (expected calibration error); in "
                        "parentheses what perfect scores would show on so few texts, so only what is above it is an error."),
    quality("ece_by_chance", "calibration error by chance", compared=False, direction=0),
    Metric("delta/agreement", " %", HIGHER, 1, 100, always=False, needs_training=True),
    Metric("quantize/agreement", " %", HIGHER, 1, 100, title="agreement %", drop_order=15, always=False,
           constraint=Constraint("agreement", "agreement with the network before quantization", 1, 100, share=True,
                                 default=MIN_AGREEMENT),
           explanation="share of the validation texts that the network answers as before its quantization."),
    Metric("delta/gained", decimals=0, direction=HIGHER, always=False, needs_training=True),
    Metric("delta/lost", decimals=0, direction=LOWER, always=False, needs_training=True),
    Metric("delta/changed", decimals=0, always=False, needs_training=True),
    Metric(LATENCY, " ms", LOWER, title="mean ms", shown_in=(VIEW, TAG),
           explanation="mean time of a call, which answers one text, tokenization included."),
    Metric("latency/std_ms", " ms", LOWER),
    Metric("latency/p50_ms", " ms", LOWER, title="p50 ms", drop_order=12, shown_in=(VIEW,),
           explanation="median: half of the calls take at most this long."),
    Metric("latency/p90_ms", " ms", LOWER),
    Metric("latency/p95_ms", " ms", LOWER, title="p95 ms", interval=True, drop_order=13, shown_in=(VIEW, CHART, TAG),
           constraint=Constraint("latency_p95_ms", "p95", 2),
           explanation="95th percentile of the latency: 95 of 100 calls take at most this long."),
    Metric("latency/p99_ms", " ms", LOWER),
    Metric("latency/first_call_ms", " ms", LOWER, once=True),
    Metric("load/ms", " ms", LOWER, once=True),
    Metric("delta/speedup", "x", HIGHER, title="faster", interval=True, shown_in=(VIEW, CHART, TAG),
           constraint=Constraint("speedup", "speed-up", 2),
           explanation="speed-up: the baseline's (*) mean time of a call divided by its own. 1x is equally fast, "
                     "0.5x half as fast. Both took turns on the same texts, so a slow moment of the machine slows both. "
                     "The ms of two rows were measured at different times: don't divide them."),
    Metric("delta/speedup_p50", "x", HIGHER, interval=True, shown_in=(VIEW,)),  # ratio of the medians
    Metric("delta/speedup_p95", "x", HIGHER, title="slow calls", interval=True, drop_order=16,
           explanation="the speed-up of slow calls: the ratio of the p95."),
    Metric("delta/pairs", decimals=0, always=False),
    Metric("delta/margin", " %", scale=100, decimals=1, always=False),
    Metric("size/mb", " MB", LOWER, 1, title="size MB", constraint=Constraint("size_mb", "size", 1), shown_in=(VIEW, TAG),
           explanation="size of all files that serving needs; 1 MB is 2^20 bytes."),
    Metric("size/weights_mb", " MB", LOWER, 1),
    Metric("delta/size_ratio", "x", HIGHER, title="smaller", drop_order=10, shown_in=(VIEW, CHART),
           explanation="how many times as large the baseline's files are."),
    Metric("size/dense_mb", " MB", LOWER, 1, title="with zeros MB", drop_order=7, always=False,
           explanation="size if zeros were stored like other numbers, as most programs do."),
    Metric("prune/sparsity", " %", decimals=1, scale=100, title="zeros %", drop_order=6, always=False,
           explanation="share of the weights that are zero; zeros do not make it faster."),
    Metric("throughput/texts_per_s", "/s", HIGHER, 0, title="texts/s", drop_order=3, once=True, shown_in=(VIEW,),
           explanation="texts per second, in batches of measure.batch_size; one by one where the classifier takes "
                     "one text at a time, as ONNX int8 without batched=true."),
    Metric("cost/texts_per_core_s", "/s", HIGHER, 0, title="texts/s/core", drop_order=5, once=True,
           always=False,
           explanation="texts per second of one process that serves 1 to 8 clients, at the best number of clients, divided "
                     "by its cores (at most 4, where it can be pinned). It is measured once, not in turns with the "
                     "baseline: the same network was seen to differ by 40 %."),
    Metric("memory/peak_mb", " MB", LOWER, 0, title="peak MB", drop_order=8, once=True, shown_in=(VIEW,),
           constraint=Constraint("memory_mb", "peak memory", 0),
           explanation="peak memory of its process after loading and warm-up."),
    Metric("memory/peak_warm_mb", " MB", LOWER, 0, once=True, always=False),
    Metric("memory/pss_loaded_mb", " MB", LOWER, 0, once=True, always=False),
    Metric("memory/pss_warm_mb", " MB", LOWER, 0, title="PSS MB", drop_order=4, once=True, always=False,
           explanation="memory after a thousand calls (proportional set size: shared memory is divided among processes)."),
    Metric("memory/pss_peak_mb", " MB", LOWER, 0, once=True, always=False),
    Metric("energy/mj_per_text", " mJ", LOWER, 1, once=True, always=False),
    Metric("data/dropped_rows", "", LOWER, 0, always=False),  # of all splits
    Metric("data/truncated_share", " %", LOWER, 1, 100, always=False),  # of a sample of the training texts
    Metric("data/lost_token_share", " %", LOWER, 1, 100, always=False),
    Metric("data/unknown_token_share", " %", LOWER, 1, 100, always=False),
    Metric("data/pieces_per_word", "", LOWER, always=False),
    Metric("data/largest_answer_share", " %", decimals=1, scale=100, always=False, needs_training=True),  # validation
    Metric("data/largest_label_share", " %", decimals=1, scale=100, always=False, needs_training=True),
    Metric("cost/price_per_million_texts", "", LOWER, 3, title="price/M", drop_order=9, once=True,
           always=False,
           explanation="price of a million texts, in the currency of measure.price_per_core_hour."),
)  # fmt: skip


def headline(metrics: Container[str]) -> str:
    """The name of the quality that ranks runs with these metrics: micro F1 where a text may have several labels."""
    return next((name for name in HEADLINES if f"quality/{name}" in metrics), HEADLINES[-1])


def quality_label(name: str) -> str:
    """The name of a quality in a sentence."""
    constraint = METRICS[f"quality/{name}"].constraint
    return name if constraint is None else constraint.label


def names() -> list[str]:
    """The MLflow names of all metrics and their bounds."""
    return [name for metric in METRICS.values() for name in metric.names]


def columns() -> list[Metric]:
    """The metrics of the table, in the order of its columns."""
    return [metric for metric in METRICS.values() if metric.title]


def shown_in(place: str) -> list[Metric]:
    """The metrics of MLflow's view (VIEW), its charts (CHART) or a registered model's tags (TAG)."""
    return [metric for metric in METRICS.values() if place in metric.shown_in]


def constraints() -> dict[str, tuple[Metric, Constraint]]:
    """All constraints by key, with their metrics."""
    found = [(metric, metric.constraint) for metric in METRICS.values()]
    return {constraint.key: (metric, constraint) for metric, constraint in found if constraint is not None}


def validation_key(key: str) -> str:
    """The name of the same metric, or bound, on the validation split; `key` itself if it rates no answers: latency, size."""
    bound = next((bound for bound in BOUNDS if key.endswith(bound)), "")
    metric = METRICS.get(key.removesuffix(bound))
    return metric.twin + bound if metric is not None and metric.on_test else key


def may_exist(name: str) -> bool:
    """Whether a run may have a metric of this name: it is declared, or in a section that steps fill."""
    section, slash, _ = name.partition("/")
    closed = {metric.key.partition("/")[0] for metric in METRICS.values() if metric.always}
    return name in names() or (bool(slash) and section not in closed)
