"""`Profile`: curves of a classifier's time over tokens, threads, batch size and concurrent clients.

Standard library only. `pipeline.evaluation.latency.single_process` measures it.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Curve:
    """Metrics as functions of one quantity: `series[name][i]` belongs to `x[i]`."""

    name: str  # "tokens", "threads", "batch", "clients"
    x: tuple[int, ...]
    series: dict[str, tuple[float, ...]]  # names carry their unit: "p50_ms"


@dataclass(frozen=True)
class Profile:
    """All curves of a classifier, and single metrics by their names in MLflow."""

    curves: tuple[Curve, ...]
    metrics: dict[str, float] = field(default_factory=dict)

    def points(self) -> list[tuple[str, int, float]]:
        """Points for line charts: metric name (such as `profile/by_tokens/p50_ms`), x as the step, value."""
        return [
            (f"profile/by_{curve.name}/{name}", x, value)
            for curve in self.curves
            for name, values in curve.series.items()
            for x, value in zip(curve.x, values, strict=True)
        ]
