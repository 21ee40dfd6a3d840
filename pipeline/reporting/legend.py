"""What the metrics of a comparison mean, in sentences for a reader who has never seen a confidence interval.

Only what occurs in the rows is explained.
"""

from collections.abc import Sequence

from pipeline.evaluation.rows import Row
from pipeline.evaluation.statistics import EQUIVALENT, FASTER, INCONCLUSIVE, SLOWER

LATENCY = (
    "p50, p95 ms: latency of one text, tokenization included; half of the calls take at most p50, 95 of 100 at most p95."
)
PAIRED = (
    "faster: how many times as fast as the baseline (*) a typical text is answered; 1x is equally fast, 0.5x half as fast. "
    "For this ratio both took turns on the same texts, so a slow moment of the machine hits both. The ms of two rows were "
    "measured at different moments: don't divide them."
)
SLOW = "slow calls: the same for slow calls, by p95."
BRACKETS = (
    "[low, high]: how sure the number before it is (95 % confidence interval). Were the whole measurement repeated many "
    "times, 95 of 100 such intervals would contain the true ratio. The narrower, the surer."
)
NO_BRACKETS = "no brackets: how sure this number is, is not known; differences of a few percent may be chance."
SPREAD = "±: standard deviation over runs with different seeds."
VERDICTS = {
    FASTER: "the whole interval is above 1x, so it is faster than the baseline.",
    SLOWER: "the whole interval is below 1x, so it is slower than the baseline.",
    EQUIVALENT: "equally fast, for all that matters: the whole interval is within {margin} of 1x.",
    INCONCLUSIVE: "not known yet: 1x is within the interval, so it may be faster or slower. Measuring longer narrows it "
    "(a larger measure.max_seconds, a smaller measure.precision).",
}
MB = "MB: 2^20 bytes."
MORE = {  # by metric, in the order of the columns
    "argmax/accuracy": "without rule %: accuracy without its decision rule, which was fitted on the validation split.",
    "delta/accuracy_pp": "change pp: accuracy less that of the baseline, in percentage points.",
    "delta/accuracy_pp_low": "change pp [low, high]: between which bounds the true change lies, in 95 of 100 such samples "
    "of texts. Both answered the same texts; when 0 is within, the difference may be chance.",
    "quality/in_scope_accuracy": "in-scope %: accuracy on the texts that belong to one of the classes.",
    "quality/oos_recall": "oos recall %: of the texts that belong to no class (out of scope), the share that is recognized.",
    "quality/f1_macro": "macro F1 %: each class's harmonic mean of precision and recall, averaged over the classes.",
    "quality/ece": "ECE %: how far scores are from the shares that are right, on average (expected calibration error).",
    "delta/size_ratio": "smaller: how many times the baseline's files are larger.",
    "size/dense_mb": "with zeros MB: the size if the zeros were stored like other numbers, as most programs do.",
    "prune/sparsity": "zeros %: share of the weights that are zero; zeros make nothing faster.",
    "throughput/texts_per_s": "texts/s: texts in a second, in batches of measure.batch_size; ONNX int8 one by one.",
    "memory/peak_mb": "peak MB: the most memory that its process had, loaded and warmed up.",
    "memory/pss_warm_mb": "PSS MB: memory after a thousand calls; what several processes share is counted in parts.",
    "cost/texts_per_core_s": "texts/s/core: texts in a second by one process that serves 1 to 8 clients, the best of these, "
    "divided by its cores (4 at most, where it can be pinned). "
    "Measured once, not in turns with the baseline: the same network was seen to differ by 40 %.",
    "cost/price_per_million_texts": "price/M: price of a million texts, in the currency of measure.price_per_core_hour.",
}
BUSY = (
    "!: the machine was busy with other things, as said below the table: metrics may be too high, intervals wide. Measure "
    "again when it is quiet."
)


def legend(rows: Sequence[Row]) -> str:
    """A Markdown list, readable in a terminal too."""
    others = [row for row in rows if not row.is_baseline and "delta/speedup" in row.metrics]
    slow = any("delta/speedup_p95" in row.metrics for row in others)
    bounds = [row.interval(key) for row in others for key in ("delta/speedup", "delta/speedup_p95")]
    sentences = {
        LATENCY: True,
        PAIRED: bool(others),
        SLOW: slow,
        BRACKETS: any(bounds),
        NO_BRACKETS: any(row.interval() is None and row.count == 1 for row in others),
        **{_verdict(name, rows): any(row.verdict == name for row in rows) for name in VERDICTS},
        SPREAD: any(row.spread for row in rows),
        MB: True,
        **{sentence: any(key in row.metrics for row in rows) for key, sentence in MORE.items()},
        BUSY: any(row.contended for row in rows),
    }
    return "\n".join(f"- {sentence}" for sentence, occurs in sentences.items() if occurs)


def margin_of(rows: Sequence[Row]) -> float | None:
    """Within which share speeds were taken as equal; None where it is not known or not the same for all rows."""
    margins = {row.metrics["delta/margin"] for row in rows if "delta/margin" in row.metrics}
    return margins.pop() if len(margins) == 1 else None


def _verdict(name: str, rows: Sequence[Row]) -> str:
    margin = margin_of(rows)
    words = "the margin (measure.margin)" if margin is None else f"{100 * margin:g} %"
    return f"verdict {name}: {VERDICTS[name].format(margin=words)}"
