"""Draws missing splits from train so that rows of one group, such as those of one author, never stand in two splits."""

import itertools
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data.columns import GROUP
from pipeline.data.raw import Parts

REST = "rest"


def codes_of(groups: pa.ChunkedArray) -> np.ndarray:
    """Groups as numbers from 0, int64 (rows,). A row without a group is a group of its own."""
    codes: np.ndarray = groups.combine_chunks().dictionary_encode().indices.fill_null(-1).to_numpy().astype(np.int64)
    alone = codes < 0
    codes[alone] = codes.max(initial=-1) + 1 + np.arange(alone.sum())
    return codes


def divide(
    labels: np.ndarray, groups: np.ndarray, shares: Mapping[str, float], rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Row numbers, in rising order, of each share and of the "rest"; labels, groups: numbers from 0, int64 (rows,).

    The largest groups are placed first, those of about the same size (up to twice as large) in drawn order. Each goes where
    it lowers the sum, over parts and classes, of squared differences between wanted and placed rows the most. The rest gets
    at least one row of every class, and no part stays empty if there are groups enough.
    """
    classes, count = int(labels.max()) + 1, int(groups.max()) + 1
    sizes = np.bincount(groups, minlength=count)
    order = rng.permutation(count)
    order = order[np.argsort(-np.frexp(sizes[order])[1], kind="stable")]
    wanted = np.array([*shares.values(), 1 - sum(shares.values())])
    part_of = _placed(order, _members(labels, groups, classes), np.bincount(labels)[:, None] * wanted)
    names = [*shares, REST]
    return {name: np.flatnonzero(part_of[groups] == place) for place, name in enumerate(names)}


def _members(labels: np.ndarray, groups: np.ndarray, classes: int) -> list[list[tuple[int, int]]]:
    """For each group its classes, and how many rows it has of each."""
    pairs, counts = np.unique(groups * classes + labels, return_counts=True)
    starts = np.searchsorted(pairs // classes, np.arange(int(groups.max()) + 2)).tolist()
    both = list(zip((pairs % classes).tolist(), counts.tolist(), strict=True))
    return [both[start:end] for start, end in itertools.pairwise(starts)]


def _placed(order: np.ndarray, members: list[list[tuple[int, int]]], wanted: np.ndarray) -> np.ndarray:
    """The part of each group, int64 (groups,); wanted: rows of a class in a part, float (classes, parts), the rest last."""
    missing: list[list[float]] = wanted.tolist()
    parts = range(wanted.shape[1])
    rest, empty = parts[-1], set(parts)
    last = {label: place for place, group in enumerate(order) for label, _ in members[group]}
    part_of = np.zeros(len(order), dtype=np.int64)
    in_rest: set[int] = set()
    for place, group in enumerate(order.tolist()):
        own = members[group]
        if any(last[label] == place and label not in in_rest for label, _ in own):
            part = rest
        else:
            able = sorted(empty) if len(order) - place <= len(empty) else parts
            part = max(able, key=lambda each: sum(missing[label][each] * rows for label, rows in own))
        part_of[group] = part
        empty.discard(part)
        for label, rows in own:
            missing[label][part] -= rows
            if part == rest:
                in_rest.add(label)
    return part_of


def shared(parts: Parts) -> list[str]:
    """How many groups of a split also stand in another: where splits are given, nothing keeps them apart."""
    notes = []
    for name, other in (("validation", "train"), ("test", "train"), ("test", "validation")):
        if not all(each in parts and GROUP in parts[each].table.column_names for each in (name, other)):
            continue
        own, others = (pc.unique(parts[each].table.column(GROUP)).drop_null() for each in (name, other))
        count = pc.sum(pc.is_in(own, value_set=others)).as_py() or 0
        if count:
            column = parts[name].columns.get(GROUP, GROUP)
            notes.append(f"{count} of {len(own)} groups (column {column!r}) of {name} are also in {other}")
    return notes
