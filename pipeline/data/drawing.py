"""Draws missing splits from train, stratified by label."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa


def stratified(labels: pa.ChunkedArray, shares: Mapping[str, float], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Row numbers, in rising order, of each share and of the "rest", which keeps at least one row of every class.

    A share s gets round(s * n) of all n rows, divided among the classes by largest remainder, as far as they have rows left.
    """
    codes = labels.combine_chunks().dictionary_encode().indices.to_numpy()
    order = rng.permutation(len(codes))
    order = order[np.argsort(codes[order], kind="stable")]
    sizes = np.bincount(codes)
    starts = np.concatenate(([0], np.cumsum(sizes)[:-1]))
    taken = np.zeros_like(sizes)
    parts: dict[str, np.ndarray] = {}
    for name, share in shares.items():
        counts = largest_remainder(sizes, share, sizes - 1 - taken, rng)
        parts[name] = _rows(order, starts + taken, counts)
        taken += counts
    return parts | {"rest": _rows(order, starts + taken, sizes - taken)}


def largest_remainder(sizes: np.ndarray, share: float, free: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """How many rows of each class a share of all rows takes, at most `free` of them. All int64 (classes,).

    Each class gives the whole part of share * size. What is missing to round(share * n) comes from the classes with the
    largest remainders, one row each; ties are drawn (Hamilton's method).
    """
    quotas = share * sizes
    counts: np.ndarray = np.minimum(np.floor(quotas + 1e-9).astype(np.int64), free)
    missing = round(share * int(sizes.sum())) - int(counts.sum())
    while missing > 0 and (counts < free).any():
        able = rng.permutation(np.flatnonzero(counts < free))
        chosen = able[np.argsort(counts[able] - quotas[able], kind="stable")][:missing]
        counts[chosen] += 1
        missing -= len(chosen)
    return counts


def _rows(order: np.ndarray, starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    pieces = [order[start : start + count] for start, count in zip(starts, counts, strict=True)]
    rows: np.ndarray = np.sort(np.concatenate(pieces))
    return rows
