"""The Pareto front: the points that no other point dominates."""

from collections.abc import Sequence


def pareto_front(points: Sequence[Sequence[float]]) -> list[int]:
    """Indices of the points that no other dominates, that is: is at least as large in every coordinate and larger in one."""

    def dominates(other: Sequence[float], one: Sequence[float]) -> bool:
        return tuple(other) != tuple(one) and all(a >= b for a, b in zip(other, one, strict=True))

    return [index for index, one in enumerate(points) if not any(dominates(other, one) for other in points)]
