"""`Splits`: train, validation and test for the rest of the program, checked once, with a content hash.

The code works on whole Arrow columns; it looks at single rows only to report an error.
"""

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data import hints
from pipeline.data.drawing import stratified
from pipeline.errors import DataError, nearest
from pipeline.tasks.single_label import LABEL, TEXT

if TYPE_CHECKING:
    from datasets import Dataset

log = logging.getLogger(__name__)
SPLITS = ("train", "validation", "test")
LONGEST, DRAWN = 50, 200  # texts
LONG = 20_000  # characters


@dataclass(frozen=True)
class Splits:
    """A data set, ready to use: each split has the columns `text` (string) and `label` (index into `labels`)."""

    train: "Dataset"
    validation: "Dataset"
    test: "Dataset"
    labels: tuple[str, ...]
    oos: int | None  # index of the out-of-scope label
    content_hash: str  # of texts, labels and their order in all splits, without names and paths
    notes: tuple[str, ...] = ()  # what was told about the data: counts of what was changed, and what it looks like


def typical_texts(*splits: "Dataset") -> list[str]:
    """The longest texts of some splits, and others that are drawn evenly: a few hundred, for checks of a tokenizer.

    Of very long texts only the beginning is taken.
    """
    texts = pa.chunked_array([part for split in splits for part in split.with_format("arrow")[:].column(TEXT).chunks])
    by_length = pc.select_k_unstable(pc.utf8_length(texts), LONGEST, [("", "descending")])
    evenly = pa.array(range(0, len(texts), max(1, len(texts) // DRAWN))[:DRAWN])
    chosen = pc.utf8_slice_codeunits(texts.take(pa.concat_arrays([by_length.cast(pa.int64()), evenly])), 0, LONG)
    return list(dict.fromkeys(chosen.to_pylist()))


@dataclass(frozen=True)
class RawSplit:
    """One split as it was read: a table `text, label` of strings, and its names for messages."""

    table: pa.Table
    where: str  # the file or data set it came from
    columns: tuple[str, str] = (TEXT, LABEL)  # the names of its columns in that file
    number: Callable[[int], int] = lambda row: row + 1  # index from 0 -> the row number that people see
    notes: tuple[str, ...] = ()  # about how it was read

    def place(self, row: int, column: str) -> str:
        """File, row and column, for a message."""
        return f"{self.where}, row {self.number(row)}, column {self.columns[column == LABEL]!r}"


@dataclass(frozen=True)
class SplitFractions:
    """How missing splits are drawn from train: their shares of it, and a seed."""

    validation_fraction: float
    test_fraction: float
    seed: int


def assemble(parts: Mapping[str, RawSplit | None], oos_label: str | None, cut: SplitFractions) -> Splits:
    """Check the splits, draw missing ones from train, number the labels.

    Raises DataError for an empty split, an empty text or label, fewer than two classes, a label that train lacks, a drawn
    split that lacks most classes, and an out-of-scope label that does not exist. Warns, with counts, about what was changed
    and what looks wrong; the warnings are also the notes of the splits.
    """
    given = {name: part for name, part in parts.items() if part is not None}
    for name, part in given.items():
        _check_filled(part, name)
    notes = _told(note for part in given.values() for note in (*part.notes, *_label_spaces(part)))
    trimmed = {name: _trimmed(part.table) for name, part in given.items()}
    tables = _draw_missing(trimmed, given["train"].where, cut)
    labels = _label_names(tables["train"])
    if len(labels) < 2:
        raise DataError(f"{given['train'].where}: only one class ({labels[0]!r}); a classifier needs at least two")
    if oos_label is not None and oos_label not in labels:
        raise DataError(f"data.oos_label={oos_label}: no such label{nearest(oos_label, labels)}")
    notes += _told(f"{given['train'].where}: {hint}" for hint in _hints(labels, oos_label, tables["train"].num_rows))
    encoded = {}
    for name in SPLITS:
        codes = _encode(tables[name], labels, given.get(name, given["train"]))
        encoded[name] = pa.table({TEXT: tables[name].column(TEXT).combine_chunks(), LABEL: codes})
    notes += _told([*_missing_classes(encoded, len(labels)), *_duplicates(encoded), *_contradictions(encoded["train"])])
    oos = labels.index(oos_label) if oos_label is not None else None
    return _splits(encoded, labels, oos, tuple(notes))


def _splits(encoded: Mapping[str, pa.Table], labels: list[str], oos: int | None, notes: tuple[str, ...]) -> Splits:
    from datasets import ClassLabel, Dataset, DatasetInfo, Features, Value

    features = Features({TEXT: Value("large_string"), LABEL: ClassLabel(names=labels)})
    info, content_hash = DatasetInfo(features=features), _content_hash(encoded, labels)
    made = {  # with a fingerprint, datasets does not hash the whole table
        name: Dataset(table.cast(features.arrow_schema), info=info, fingerprint=f"{content_hash[:32]}-{name}")
        for name, table in encoded.items()
    }
    return Splits(**made, labels=tuple(labels), oos=oos, content_hash=content_hash, notes=notes)


def _told(notes: Iterable[str]) -> list[str]:
    """Log each note as a warning at once: a later error may be explained by it."""
    told = list(notes)
    for note in told:
        log.warning("warning: %s", note)
    return told


def _hints(labels: list[str], oos_label: str | None, rows: int) -> list[str]:
    return [*hints.of_labels(labels, rows), *hints.of_spelling(labels), *hints.of_null(labels, oos_label)]


def _check_filled(part: RawSplit, name: str) -> None:
    if part.table.num_rows == 0:
        raise DataError(f"{part.where}: the {name} split is empty")
    for column in (TEXT, LABEL):
        values = part.table.column(column)
        empty = pc.fill_null(pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(values)), 0), True)
        row = pc.index(empty, True).as_py()
        if row >= 0:
            count = pc.sum(empty).as_py()
            more = f" ({count - 1} more like it)" if count > 1 else ""
            raise DataError(f"{part.place(row, column)}: empty {column}{more}")


def _label_spaces(part: RawSplit) -> list[str]:
    labels = part.table.column(LABEL)
    changed = pc.sum(pc.not_equal(labels, pc.utf8_trim_whitespace(labels))).as_py() or 0
    return [f"{part.where}: spaces around {changed} of {len(labels)} labels were removed"] if changed else []


def _trimmed(table: pa.Table) -> pa.Table:
    """The table, with labels without spaces around them."""
    labels = pc.utf8_trim_whitespace(table.column(LABEL))
    return table.set_column(table.column_names.index(LABEL), LABEL, labels)


def _draw_missing(given: Mapping[str, pa.Table], where: str, cut: SplitFractions) -> dict[str, pa.Table]:
    tables = dict(given)
    shares = {"test": cut.test_fraction, "validation": cut.validation_fraction}
    missing = {name: share for name, share in shares.items() if name not in tables}
    if not missing:
        return tables
    train = tables["train"]
    classes = len(pc.unique(train.column(LABEL)))
    rows = stratified(train.column(LABEL), missing, np.random.default_rng(cut.seed))
    for name in missing:
        tables[name] = train.take(pa.array(rows[name]))
        found = len(pc.unique(tables[name].column(LABEL)))
        if 2 * found < classes:
            problem = f"{train.num_rows} rows in {classes} classes are too few to draw a {name} split"
            covered = f"{len(rows[name])} rows of {found} classes" if found else "it would be empty"
            way_out = f"give data.{name}, or raise data.{name}_fraction"
            raise DataError(f"{where}: {problem} with data.{name}_fraction={missing[name]}: {covered}; {way_out}")
    tables["train"] = train.take(pa.array(rows["rest"]))
    return tables


def _label_names(train: pa.Table) -> list[str]:
    names = [str(name) for name in pc.unique(train.column(LABEL)).to_pylist()]
    numeric = all(name.removeprefix("-").isdecimal() for name in names)
    return sorted(names, key=int) if numeric else sorted(names)


def _encode(table: pa.Table, labels: list[str], part: RawSplit) -> pa.Array:
    names = table.column(LABEL).cast(pa.large_string())
    codes = pc.index_in(names, value_set=pa.array(labels, pa.large_string())).combine_chunks()
    row = pc.index(pc.is_null(codes), True).as_py()
    if row >= 0:
        label = names[row].as_py()
        raise DataError(f"{part.place(row, LABEL)}: train has no label {label!r}{nearest(label, labels)}")
    return codes.cast(pa.int64())


def _missing_classes(tables: Mapping[str, pa.Table], classes: int) -> list[str]:
    found = {name: len(pc.unique(tables[name].column(LABEL))) for name in SPLITS}
    return [
        f"the {name} split ({tables[name].num_rows} texts) lacks {classes - count} of {classes} classes"
        for name, count in found.items()
        if count < classes
    ]


def _duplicates(tables: Mapping[str, pa.Table]) -> list[str]:
    notes = []
    for name, other in (("validation", "train"), ("test", "train"), ("test", "validation")):
        seen = pc.is_in(tables[name].column(TEXT), value_set=tables[other].column(TEXT))
        count = pc.sum(seen).as_py() or 0
        if count:
            notes.append(f"{count} of {tables[name].num_rows} {name} texts are also in {other}")
    return notes


def _contradictions(train: pa.Table) -> list[str]:
    labels = train.group_by(TEXT).aggregate([(LABEL, "count_distinct")]).column(f"{LABEL}_count_distinct")
    count = pc.sum(pc.greater(labels, 1)).as_py() or 0
    return [f"{count} texts of train occur with different labels"] if count else []


def _content_hash(tables: Mapping[str, pa.Table], labels: list[str]) -> str:
    content = hashlib.sha256(repr(labels).encode())
    for name in SPLITS:
        text = tables[name].column(TEXT).cast(pa.large_binary()).combine_chunks()
        content.update(name.encode())
        for column in (pc.binary_length(text), tables[name].column(LABEL).cast(pa.int64()).combine_chunks()):
            content.update(np.ascontiguousarray(column.to_numpy(zero_copy_only=False)).tobytes())
        offsets = np.frombuffer(text.buffers()[1], dtype=np.int64)[text.offset : text.offset + len(text) + 1]
        content.update(memoryview(text.buffers()[2])[offsets[0] : offsets[-1]])
    return content.hexdigest()
