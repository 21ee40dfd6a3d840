"""The Pareto front: those that no other beats in everything at once."""

from collections.abc import Sequence


def pareto_front(points: Sequence[Sequence[float]]) -> list[int]:
    """Indices of the points that no other beats: at least as large in every coordinate, and larger in one of them."""

    def beats(other: Sequence[float], one: Sequence[float]) -> bool:
        return tuple(other) != tuple(one) and all(a >= b for a, b in zip(other, one, strict=True))

    return [index for index, one in enumerate(points) if not any(beats(other, one) for other in points)]
