"""The labels of raw splits: trimmed, renamed, rare ones merged or dropped, and at last numbered.

A row has one label, or a list of them (`label_lists.py`), which may be empty.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data import label_lists
from pipeline.data.hints import shown
from pipeline.data.raw import Changed, Parts, RawSplit, mask
from pipeline.data.renaming import Renaming
from pipeline.errors import DataError, nearest
from pipeline.tasks.base import LABEL

MERGE, DROP = RARE = ("merge", "drop")  # values of data.rare_classes
OTHER = "other"  # the class that rare ones are merged into


def trimmed(parts: Parts) -> Changed:
    """Remove spaces around labels, and from lists what stands there twice."""
    changed, notes = dict(parts), []
    for name, part in parts.items():
        labels = label_lists.flat(part.table.column(LABEL))
        without = pc.utf8_trim_whitespace(labels)
        count = pc.sum(pc.not_equal(labels, without)).as_py() or 0
        column, repeated = label_lists.distinct(label_lists.with_values(part.table.column(LABEL), without))
        if count or part.several:
            changed[name] = part.with_labels(column)
        if count:
            notes.append(f"{part.where}: spaces around {count} of {len(labels)} labels were removed")
        if repeated:
            notes.append(f"{part.where}: {repeated} labels that a text has twice were counted once")
    return changed, notes


def renamed(parts: Parts, renaming: Renaming | None) -> Changed:
    """Give labels their new names. Raises DataError for an old name that no label of any split has."""
    if renaming is None:
        return parts, []
    counts: dict[str, int] = {}
    for part in parts.values():
        for name, count in counts_of(part).items():
            counts[name] = counts.get(name, 0) + count
    lacking = next((old for old in renaming.names if old not in counts), None)
    if lacking is not None:
        raise DataError(f"data.rename_labels={renaming.where}: no label {lacking!r}{nearest(lacking, counts)}")
    made = {name: part.with_labels(_replaced(part, renaming.names)) for name, part in parts.items()}
    several = [f"{old!r} to {new!r} ({counts[old]} rows)" for old, new in renaming.names.items()]
    left = len({renaming.names.get(name, name) for name in counts})
    listed = ", ".join(several[:4]) + (", ..." if len(several) > 4 else "")
    return made, [f"{renaming.where}: labels renamed: {listed}; {len(counts)} labels are {left} now"] if several else []


def named(parts: Parts, names: Sequence[str]) -> Changed:
    """Give labels that are numbers the names at these places. Raises DataError for a label that is none of the names."""
    found = {name for part in parts.values() for name in counts_of(part)} if names else set()
    numbers = {str(number): name for number, name in enumerate(names)}
    if found and found <= numbers.keys():
        pairs = ", ".join(f"{number} is {name!r}" for number, name in list(numbers.items())[:6])
        note = f"data.label_names: {pairs}{', ...' if len(numbers) > 6 else ''}"
        return {name: part.with_labels(_replaced(part, numbers)) for name, part in parts.items()}, [note]
    unknown = sorted(found - {*names})
    if unknown:
        raise DataError(f"data.label_names: the data's label {unknown[0]!r} is none of them{nearest(unknown[0], names)}")
    return parts, []


def without_rare(parts: Parts, minimum: int | None, how: str, spared: str | None) -> Changed:
    """Merge into one class, or drop from all splits, the classes with fewer than `minimum` rows in train.

    spared: a label that stays however rare it is (out of scope).
    """
    counts = counts_of(parts["train"]) if "train" in parts else {}
    rare = sorted(name for name, count in counts.items() if count < (minimum or 0) and name != spared)
    if not rare:
        return parts, []
    rows = ", ".join(f"{_having(part, rare).sum()} rows of {name}" for name, part in parts.items())
    what = f"data.min_class_size={minimum}: {len(rare)} of {len(counts)} classes have fewer rows in train"
    if how == DROP:
        return {name: _without(part, rare) for name, part in parts.items()}, [
            f"{what} and were dropped ({rows}): {shown(rare)}"
        ]
    merged = {name: part.with_labels(_replaced(part, dict.fromkeys(rare, OTHER))) for name, part in parts.items()}
    exists = ", which is a class already" if OTHER in counts.keys() - {*rare} else ""
    return merged, [f"{what} and were merged into {OTHER!r}{exists} ({rows}): {shown(rare)}"]


def _having(part: RawSplit, labels: list[str]) -> np.ndarray:
    """Which rows have one of some labels: bool (rows,)."""
    column = part.table.column(LABEL)
    found: np.ndarray = np.zeros(len(column), dtype=bool)
    found[label_lists.rows_of_values(column)[mask(pc.is_in(label_lists.flat(column), value_set=_array(labels)))]] = True
    return found


def _without(part: RawSplit, labels: list[str]) -> RawSplit:
    """The rows without some labels; of rows with several labels only these labels go."""
    if part.several:
        return part.with_labels(_replaced(part, dict.fromkeys(labels, "")))
    found = _having(part, labels)
    return part.filter(~found) if found.any() else part


def counts_of(part: RawSplit) -> dict[str, int]:
    """How many rows each label has."""
    counts = pc.value_counts(label_lists.flat(part.table.column(LABEL)))
    names, numbers = (counts.field(place).to_pylist() for place in range(2))
    return {str(name): number for name, number in zip(names, numbers, strict=True) if name is not None}


def names_of(parts: Sequence[RawSplit]) -> list[str]:
    """The labels of some splits, in numerical order if all are whole numbers, else in alphabetical order.

    Raises DataError if there is only one.
    """
    names = list(dict.fromkeys(name for part in parts for name in counts_of(part)))
    numeric = all(name.removeprefix("-").isdecimal() for name in names)
    if len(names) < 2:
        only = f"only one class ({names[0]!r})" if names else "no label at all"
        raise DataError(f"{parts[0].where}: {only}; a classifier needs at least two")
    return sorted(names, key=int) if numeric else sorted(names)


def numbered(part: RawSplit, labels: list[str]) -> pa.Table:
    """The inputs, and the labels as indices into `labels`, int64, or sorted lists of them. All labels must be known."""
    column = part.table.column(LABEL)
    codes = pc.index_in(label_lists.flat(column), value_set=_array(labels)).cast(pa.int64())
    if part.several:
        rows = label_lists.rows_of_values(column)
        codes = codes.take(pa.array(np.lexsort((codes.to_numpy(), rows))))
    columns = {name: part.table.column(name).combine_chunks() for name in part.inputs}
    return pa.table({**columns, LABEL: label_lists.with_values(column, codes)})


def strata(part: RawSplit) -> pa.ChunkedArray:
    """The class by which a row is drawn, `large_string`: of several labels the rarest, "" without one."""
    column = part.table.column(LABEL)
    if not part.several:
        return column
    counts = counts_of(part)
    rarest = [min(own, key=lambda name: (counts[name], name)) if own else "" for own in column.to_pylist()]
    return pa.chunked_array([_array(rarest)])


def unused(train: RawSplit, columns: Sequence[str]) -> list[str]:
    """Which columns of labels have no 1 in train: they are no labels."""
    counts = counts_of(train) if columns else {}
    lacking = [name for name in columns if name not in counts]
    return [f"{train.where}: {len(lacking)} of {len(columns)} label columns have no 1: {shown(lacking)}"] if lacking else []


def without_label(parts: Mapping[str, RawSplit]) -> list[str]:
    """How many texts have none, where they may have several."""
    notes = []
    for name, part in parts.items():
        none = pc.sum(pc.equal(pc.list_value_length(part.table.column(LABEL)), 0)).as_py() if part.several else 0
        notes += [f"{none} of {part.table.num_rows} {name} texts have no label"] if none else []
    return notes


def missing_classes(parts: Mapping[str, RawSplit], labels: list[str]) -> list[str]:
    """Which classes each split lacks."""
    notes = []
    for name, part in parts.items():
        found = counts_of(part)
        lacking = [label for label in labels if label not in found]
        if lacking:
            what = f"the {name} split ({part.table.num_rows} texts) lacks {len(lacking)} of {len(labels)} classes"
            notes.append(f"{what}: {shown(lacking)}")
    return notes


def contradictions(train: RawSplit) -> list[str]:
    """How many texts have different labels."""
    told = train.with_labels(label_lists.whole(train.table.column(LABEL))).table
    labels = told.group_by(train.inputs).aggregate([(LABEL, "count_distinct")]).column(f"{LABEL}_count_distinct")
    count = pc.sum(pc.greater(labels, 1)).as_py() or 0
    return [f"texts that stand in train with different labels: {count}"] if count else []


def _replaced(part: RawSplit, names: Mapping[str, str]) -> pa.ChunkedArray:
    labels = label_lists.flat(part.table.column(LABEL))
    places = pc.index_in(labels, value_set=_array(list(names)))
    new = pc.coalesce(pc.take(_array(list(names.values())), places), labels)
    return label_lists.distinct(label_lists.with_values(part.table.column(LABEL), new))[0]


def _array(names: list[str]) -> pa.Array:
    return pa.array(names, pa.large_string())
