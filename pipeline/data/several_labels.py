"""`assemble` for any number of labels a text: the label column holds lists of names; a text may have none.

Missing splits are drawn stratified by the rarest label of each text, which spreads rare labels over the splits.
"""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data import hints, splits
from pipeline.data.drawing import stratified
from pipeline.data.label_lists import are_lists
from pipeline.data.splits import SPLITS, RawSplit, SplitFractions, Splits
from pipeline.errors import DataError, nearest
from pipeline.tasks import MultiLabel
from pipeline.tasks.base import LABEL
from pipeline.tasks.inputs import TEXT_PAIR, input_columns


def assemble(parts: Mapping[str, RawSplit | None], oos_label: str | None, cut: SplitFractions) -> Splits:
    """As `splits.assemble`, whose work it is where a text has one label.

    Raises DataError for an empty split or text, fewer than two labels, a label that train lacks, and where an out-of-scope
    label is set. Warns, with counts, about what was changed and what looks wrong.
    """
    given = {name: part for name, part in parts.items() if part is not None}
    if not are_lists(given["train"].table.schema.field(LABEL).type):
        return splits.assemble(parts, oos_label, cut)
    if oos_label is not None:
        raise DataError(f"data.oos_label={oos_label}: out of scope is known for one label a text only; set it to null")
    where, tables, notes = given["train"].where, dict[str, pa.Table](), list[str]()
    for name, part in given.items():
        _check_texts(part, name)
        tables[name], changed = _tidied(part)
        notes += splits.told([*part.notes, *changed])
    labels = splits.sorted_names(pc.unique(tables["train"].column(LABEL).combine_chunks().flatten()).to_pylist())
    if len(labels) < 2:
        raise DataError(f"{where}: its texts have {len(labels)} different labels; a classifier needs at least two")
    tables |= _drawn(tables, where, cut)
    notes += splits.told(f"{where}: {hint}" for hint in hints.of_spelling(labels))
    encoded = {name: _encoded(tables[name], labels, given.get(name, given["train"])) for name in SPLITS}
    notes += splits.told([*_counts(encoded, labels), *splits.duplicates(encoded)])
    return _splits(encoded, labels, tuple(notes))


def _check_texts(part: RawSplit, name: str) -> None:
    if part.table.num_rows == 0:
        raise DataError(f"{part.where}: the {name} split is empty")
    for column in input_columns(part.table.column_names):
        empty = pc.fill_null(pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(part.table.column(column))), 0), True)
        row = pc.index(empty, True).as_py()
        if row >= 0:
            more = pc.sum(empty).as_py() - 1
            raise DataError(f"{part.place(row, column)}: empty {column}" + (f" ({more} more like it)" if more else ""))


def _tidied(part: RawSplit) -> tuple[pa.Table, list[str]]:
    """The table, its names without spaces around them, empty ones and repetitions; notes that count these."""
    before: list[list[str]] = part.table.column(LABEL).to_pylist()
    stripped = [[name.strip() for name in own] for own in before]
    after = [list(dict.fromkeys(name for name in own if name)) for own in stripped]
    spaces = sum(
        one != other for own, new in zip(before, stripped, strict=True) for one, other in zip(own, new, strict=True)
    )
    repeated = sum(sum(map(bool, own)) - len(new) for own, new in zip(stripped, after, strict=True))
    notes = [f"{part.where}: spaces around {spaces} labels were removed"] if spaces else []
    notes += [f"{part.where}: {repeated} labels that a text has twice were counted once"] if repeated else []
    column = pa.array(after, pa.large_list(pa.large_string()))
    return part.table.set_column(part.table.column_names.index(LABEL), LABEL, column), notes


def _drawn(given: Mapping[str, pa.Table], where: str, cut: SplitFractions) -> dict[str, pa.Table]:
    """The splits that are missing, and what is left of train."""
    shares = {"test": cut.test_fraction, "validation": cut.validation_fraction}
    missing = {name: share for name, share in shares.items() if name not in given}
    if not missing:
        return {}
    train = given["train"]
    rows = stratified(pa.chunked_array([_rarest(train)]), missing, np.random.default_rng(cut.seed))
    for name in missing:
        if not len(rows[name]):
            raise DataError(
                f"{where}: {train.num_rows} rows are too few to draw a {name} split with data.{name}_fraction="
                f"{missing[name]}; give data.{name}, or raise data.{name}_fraction"
            )
    return {name: train.take(pa.array(rows[name])) for name in missing} | {"train": train.take(pa.array(rows["rest"]))}


def _rarest(train: pa.Table) -> pa.Array:
    """The rarest label of each text; "" without one."""
    lists = train.column(LABEL).to_pylist()
    counts = {
        each["values"]: each["counts"]
        for each in pc.value_counts(train.column(LABEL).combine_chunks().flatten()).to_pylist()
    }
    return pa.array([min(own, key=lambda name: (counts[name], name)) if own else "" for own in lists], pa.large_string())


def _encoded(table: pa.Table, labels: Sequence[str], part: RawSplit) -> pa.Table:
    """The labels as sorted lists of their numbers. Raises DataError for a label that train lacks."""
    place = {label: number for number, label in enumerate(labels)}
    codes = []
    for row, own in enumerate(table.column(LABEL).to_pylist()):
        unknown = next((name for name in own if name not in place), None)
        if unknown is not None:
            raise DataError(f"{part.place(row, LABEL)}: train has no label {unknown!r}{nearest(unknown, labels)}")
        codes.append(sorted(place[name] for name in own))
    columns = {name: table.column(name).combine_chunks() for name in table.column_names if name != LABEL}
    return pa.table(columns | {LABEL: pa.array(codes, pa.list_(pa.int64()))})


def _counts(tables: Mapping[str, pa.Table], labels: Sequence[str]) -> list[str]:
    """How many labels texts have, and which splits lack labels."""
    notes = []
    for name, table in tables.items():
        lists = table.column(LABEL).combine_chunks()
        sizes, found = pc.list_value_length(lists).to_numpy(), len(pc.unique(lists.flatten()))
        none = int((sizes == 0).sum())
        if none:
            notes.append(f"{none} of {len(sizes)} {name} texts have no label")
        if found < len(labels):
            notes.append(f"the {name} split ({len(sizes)} texts) lacks {len(labels) - found} of {len(labels)} labels")
    return notes


def _splits(encoded: Mapping[str, pa.Table], labels: Sequence[str], notes: tuple[str, ...]) -> Splits:
    from datasets import Dataset, DatasetInfo, Features, Value

    columns = encoded["train"].column_names
    task = MultiLabel(pairs=TEXT_PAIR in columns)
    texts = {name: Value("large_string") for name in input_columns(columns)}
    info = DatasetInfo(features=Features({**texts, LABEL: task.feature(labels)}))
    content_hash = _content_hash(encoded, labels, list(texts))
    made = {
        name: Dataset(
            table.select([*texts, LABEL]).cast(info.features.arrow_schema), info=info,
            fingerprint=f"{content_hash[:32]}-{name}",
        )
        for name, table in encoded.items()
    }  # fmt: skip
    return Splits(**made, labels=tuple(labels), oos=None, content_hash=content_hash, notes=notes, task=task)


def _content_hash(tables: Mapping[str, pa.Table], labels: Sequence[str], texts: Sequence[str]) -> str:
    content = hashlib.sha256(repr(["several", *labels]).encode())
    for name in SPLITS:
        content.update(name.encode())
        lists = tables[name].column(LABEL).combine_chunks()
        for numbers in (pc.list_value_length(lists), lists.flatten()):
            content.update(np.ascontiguousarray(numbers.cast(pa.int64()).to_numpy()).tobytes())
        for column in texts:
            text = tables[name].column(column).combine_chunks()
            content.update(np.ascontiguousarray(pc.binary_length(text).to_numpy()).tobytes())
            content.update("".join(text.to_pylist()).encode())
    return content.hexdigest()
