"""Made-up candidates of a decision, with runs whose metrics and evidence a test chooses."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.evaluation.evidence import Evidence
from pipeline.evaluation.rows import Row
from pipeline.selection.candidate import Candidate
from pipeline.selection.constraints import Rules


def row(
    name: str,
    p95: float = 2.0,
    mb: float = 20.0,
    speedup: float = 4.0,
    loss_pp: float = 0.0,
    width: float = 0.02,
    test_pp: float | None = None,
    **more: Any,
) -> Row:
    """A run; `width` is that of its intervals: of the value, or in percentage points times ten. `loss_pp` is its change on
    validation, and on test unless `test_pp` is given."""

    def interval(key: str, value: float, half: float) -> dict[str, float]:
        return {key: value, f"{key}_low": value - half, f"{key}_high": value + half}

    metrics = {"size/mb": mb, "memory/peak_mb": 100.0, "latency/mean_ms": p95 / 2}
    metrics |= interval("latency/p95_ms", p95, p95 * width / 2) | interval("delta/speedup", speedup, speedup * width / 2)
    metrics |= interval("delta/speedup_p95", speedup, speedup * width / 2)
    for change, accuracy, of in (
        ("validation/delta_accuracy_pp", "validation/accuracy", loss_pp),
        ("delta/accuracy_pp", "quality/accuracy", loss_pp if test_pp is None else test_pp),
    ):
        metrics |= interval(change, of, 5 * width) | interval(accuracy, 0.9 + of / 100, 0.01)
    return replace(Row(name, metrics, run_id=f"run-{name}", seed=42), **more)


def without(name: str, *keys: str, **more: Any) -> Row:
    """A run without the bounds of these metrics."""
    found = row(name, **more)
    dropped = {key + bound for key in keys for bound in ("_low", "_high")}
    return replace(found, metrics={key: value for key, value in found.metrics.items() if key not in dropped})


def timed(*speedups: float, baseline_ms: Sequence[float] = ()) -> Evidence:
    """One value for each pair."""
    return Evidence(log_ratios=np.log(speedups), baseline_ms=tuple(np.full(20, ms) for ms in baseline_ms))


def answered(right: np.ndarray) -> Evidence:
    return Evidence(texts=tuple(f"text {i}" for i in range(len(right))), right=right)


BASELINE = Candidate((row("bert", p95=8.0, mb=80.0, speedup=1.0, is_baseline=True),))
SMALL = Candidate((row("small", p95=2.0, mb=16.0, speedup=8.0, loss_pp=-0.5),))
FAST = Candidate((row("fast", p95=1.0, mb=40.0, speedup=12.0, loss_pp=-1.5),))
ALL = [BASELINE, SMALL, FAST]


def words(candidate: Candidate, strict: bool = True, **bounds: float) -> list[str]:
    return [failure.message for failure in Rules(bounds, strict).failures(candidate)]
