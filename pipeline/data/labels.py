"""The labels of raw splits: trimmed, renamed, rare ones merged or dropped, and at last numbered."""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data.raw import Changed, Parts, RawSplit, mask, shown
from pipeline.data.renaming import Renaming
from pipeline.errors import DataError, nearest
from pipeline.tasks.single_label import LABEL

MERGE, DROP = RARE = ("merge", "drop")  # values of data.rare_classes
OTHER = "other"  # the class that rare ones are merged into


def trimmed(parts: Parts) -> Changed:
    """Remove spaces around labels."""
    changed, notes = dict(parts), []
    for name, part in parts.items():
        labels = part.table.column(LABEL)
        without = pc.utf8_trim_whitespace(labels)
        count = pc.sum(pc.not_equal(labels, without)).as_py() or 0
        if count:
            changed[name] = part.with_labels(without)
            notes.append(f"{part.where}: spaces around {count} of {len(labels)} labels were removed")
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


def without_rare(parts: Parts, minimum: int | None, how: str, spared: str | None) -> Changed:
    """Merge into one class, or drop from all splits, the classes with fewer than `minimum` rows in train.

    spared: a label that stays however rare it is (out of scope).
    """
    counts = counts_of(parts["train"])
    rare = sorted(name for name, count in counts.items() if count < (minimum or 0) and name != spared)
    if not rare:
        return parts, []
    found = {name: mask(pc.is_in(part.table.column(LABEL), value_set=_array(rare))) for name, part in parts.items()}
    rows = ", ".join(f"{rows.sum()} rows of {name}" for name, rows in found.items())
    what = f"data.min_class_size={minimum}: {len(rare)} of {len(counts)} classes have fewer rows in train"
    if how == DROP:
        kept = {name: part.filter(~found[name]) if found[name].any() else part for name, part in parts.items()}
        return kept, [f"{what} and were dropped ({rows}): {shown(rare)}"]
    merged = {name: part.with_labels(_replaced(part, dict.fromkeys(rare, OTHER))) for name, part in parts.items()}
    exists = ", which is a class already" if OTHER in counts.keys() - {*rare} else ""
    return merged, [f"{what} and were merged into {OTHER!r}{exists} ({rows}): {shown(rare)}"]


def counts_of(part: RawSplit) -> dict[str, int]:
    """How many rows each label has."""
    counts = pc.value_counts(part.table.column(LABEL))
    names, numbers = (counts.field(place).to_pylist() for place in range(2))
    return {str(name): number for name, number in zip(names, numbers, strict=True) if name is not None}


def names_of(train: RawSplit) -> list[str]:
    """The labels of train, in numerical order if all are whole numbers, else in alphabetical order.

    Raises DataError if there is only one.
    """
    names = list(counts_of(train))
    numeric = all(name.removeprefix("-").isdecimal() for name in names)
    if len(names) < 2:
        raise DataError(f"{train.where}: only one class ({names[0]!r}); a classifier needs at least two")
    return sorted(names, key=int) if numeric else sorted(names)


def numbered(part: RawSplit, labels: list[str]) -> pa.Table:
    """The inputs, and the labels as indices into `labels`, int64. Every label must be one of them."""
    codes = pc.index_in(part.table.column(LABEL).cast(pa.large_string()), value_set=_array(labels))
    columns = {name: part.table.column(name).combine_chunks() for name in part.inputs}
    return pa.table({**columns, LABEL: codes.combine_chunks().cast(pa.int64())})


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
    labels = train.table.group_by(train.inputs).aggregate([(LABEL, "count_distinct")]).column(f"{LABEL}_count_distinct")
    count = pc.sum(pc.greater(labels, 1)).as_py() or 0
    return [f"{count} texts of train occur with different labels"] if count else []


def _replaced(part: RawSplit, names: Mapping[str, str]) -> pa.ChunkedArray:
    labels = part.table.column(LABEL).cast(pa.large_string())
    places = pc.index_in(labels, value_set=_array(list(names)))
    return pc.coalesce(pc.take(_array(list(names.values())), places), labels)


def _array(names: list[str]) -> pa.Array:
    return pa.array(names, pa.large_string())
