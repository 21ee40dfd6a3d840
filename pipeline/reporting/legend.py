"""The legend of a comparison: sentences for a reader who has never seen a confidence interval.

It only explains what occurs in the rows.
"""

from collections.abc import Sequence

from pipeline.evaluation import metrics
from pipeline.evaluation.metrics import Metric
from pipeline.evaluation.rows import Row
from pipeline.evaluation.statistics import EQUIVALENT, FASTER, INCONCLUSIVE, SLOWER

BRACKETS = (
    "[low, high]: 95 % confidence interval of the number before it. If the whole measurement were repeated many times, 95 "
    "of 100 such intervals would contain the true ratio. A narrower interval is more precise."
)
NO_BRACKETS = "no brackets: the precision of this number is unknown; differences of a few percent may be chance."
STD = "±: standard deviation over runs with different seeds."
VERDICTS = {
    FASTER: "the whole interval is above 1x, so it is faster than the baseline.",
    SLOWER: "the whole interval is below 1x, so it is slower than the baseline.",
    EQUIVALENT: "equally fast for practical purposes: the whole interval is within {margin} of 1x.",
    INCONCLUSIVE: "unknown yet: 1x is within the interval, so it may be faster or slower. A longer measurement makes the "
    "interval narrower (a larger measure.max_seconds, a smaller measure.precision).",
}
CHANGES = (
    "change [low, high]: 95 % confidence interval of the change: the true change of these weights is within it in 95 of 100 "
    "such samples of texts. Both answered the same texts. If 0 is within the interval, the difference may be chance."
)
BUSY = (
    "!: the machine was busy with other work, see below the table: latencies may be too high and intervals wide. Measure "
    "again when it is quiet."
)


def legend(rows: Sequence[Row]) -> str:
    """A Markdown list, readable in a terminal too."""
    others = [row for row in rows if not row.is_baseline]
    ratios = [row for row in others if "delta/speedup" in row.metrics]
    bounds = [row.interval(metric.key) for row in others for metric in metrics.columns() if metric.unit == "x"]
    changes = [metric.key + "_low" for metric in metrics.columns() if metric.unit == " pp"]
    sentences = {
        **{_of_column(metric): _occurs(metric, rows) for metric in metrics.columns() if metric.explanation},
        BRACKETS: any(bounds),
        NO_BRACKETS: any(row.interval() is None and row.count == 1 for row in ratios),
        CHANGES: any(key in row.metrics for row in others for key in changes),
        **{_verdict(name, rows): any(row.verdict == name for row in rows) for name in VERDICTS},
        STD: any(row.std for row in rows),
        BUSY: any(row.contended for row in rows),
    }
    return "\n".join(f"- {sentence}" for sentence, occurs in sentences.items() if occurs)


def _of_column(metric: Metric) -> str:
    return f"{metric.title}: {metric.explanation}"


def _occurs(metric: Metric, rows: Sequence[Row]) -> bool:
    """Whether a row has the metric; comparisons with the baseline do not count in the baseline's own row."""
    return any(metric.key in row.metrics for row in rows if not (metric.compared and row.is_baseline))


def margin_of(rows: Sequence[Row]) -> float | None:
    """The margin within which speeds count as equal; None where it is unknown or differs between rows."""
    margins = {row.metrics["delta/margin"] for row in rows if "delta/margin" in row.metrics}
    return margins.pop() if len(margins) == 1 else None


def _verdict(name: str, rows: Sequence[Row]) -> str:
    margin = margin_of(rows)
    shown = "the margin (measure.margin)" if margin is None else f"{100 * margin:g} %"
    return f"verdict {name}: {VERDICTS[name].format(margin=shown)}"
