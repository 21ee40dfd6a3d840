"""Draws missing splits from train, stratified by label; without train, validation from test."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline.data import groups, hints
from pipeline.data.columns import GROUP
from pipeline.data.groups import REST
from pipeline.data.labels import counts_of, strata
from pipeline.data.raw import SPLITS, Changed, Parts, RawSplit
from pipeline.errors import DataError


@dataclass(frozen=True)
class SplitFractions:
    """How missing splits are drawn from train: their shares of it, and a seed."""

    validation_fraction: float
    test_fraction: float
    seed: int


def missing(given: Parts, cut: SplitFractions) -> Changed:
    """Draw from train the splits that are not given; rows of one group go into one split.

    Where there is no train, validation is drawn from test, so that what is chosen is still confirmed on other texts.
    Raises DataError where a drawn split would lack most classes.
    """
    shares = {"test": cut.test_fraction, "validation": cut.validation_fraction}
    wanted = {name: share for name, share in shares.items() if name not in given}
    if not wanted:
        return given, []
    source = "train" if "train" in given else "test"
    train, rng = given[source], np.random.default_rng(cut.seed)
    grouped = GROUP in train.table.column_names
    rows = _grouped(train, wanted, rng) if grouped else stratified(strata(train), wanted, rng)
    drawn = {name: train.take(rows[name]) for name in wanted}
    for name, part in drawn.items():
        _require_classes(part, train, name, wanted[name])
    parts = {**given, **drawn, source: train.take(rows[REST])}
    notes = [_told(train, drawn)] if grouped else []
    if source == "test":
        count = drawn["validation"].table.num_rows
        notes.append(
            f"{train.where}: there is no data.train, so {count} of {train.table.num_rows} rows are validation "
            f"(data.validation_fraction={cut.validation_fraction}), the others test; nothing can be trained"
        )
    return {name: parts[name] for name in SPLITS if name in parts}, notes


def _grouped(train: RawSplit, shares: Mapping[str, float], rng: np.random.Generator) -> dict[str, np.ndarray]:
    labels = strata(train).combine_chunks().dictionary_encode().indices.to_numpy()
    return groups.divide(labels.astype(np.int64), groups.codes_of(train.table.column(GROUP)), shares, rng)


def _require_classes(part: RawSplit, train: RawSplit, name: str, share: float) -> None:
    found, classes = len(counts_of(part)), len(counts_of(train))
    if 2 * found >= classes:
        return
    problem = f"{train.table.num_rows} rows in {classes} classes are too few to draw a {name} split"
    covered = f"{part.table.num_rows} rows of {found} classes" if found else "it would be empty"
    way_out = f"give data.{name}, or raise data.{name}_fraction"
    if GROUP in train.table.column_names:
        problem += f" by the groups of column {train.columns.get(GROUP, GROUP)!r}"
    way_out += "".join(f"; {hint}" for hint in (() if train.several else hints.of_several(list(counts_of(train)))))
    raise DataError(f"{train.where}: {problem} with data.{name}_fraction={share}: {covered}; {way_out}")


def _told(train: RawSplit, drawn: Parts) -> str:
    """How near a grouped draw came to the shares."""
    column, rows = train.table.column(GROUP), train.table.num_rows
    got = " and ".join(f"{part.table.num_rows / rows:.1%} of the rows for {name}" for name, part in drawn.items())
    alone = f"; {column.null_count} rows without a group are a group each" if column.null_count else ""
    count = len(column.unique().drop_null())
    return f"{train.where}: {got} were drawn by the {count} groups of column {train.columns.get(GROUP, GROUP)!r}{alone}"


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
    return parts | {REST: _rows(order, starts + taken, sizes - taken)}


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
