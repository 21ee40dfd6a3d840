"""`Splits`: train, validation and test for the rest of the program, checked once, with a content hash.

The code works on whole Arrow columns; it looks at single rows only to report an error.
"""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data import bad_rows, drawing, groups, hints, label_lists, labels, leaks, row_counts
from pipeline.data.drawing import SplitFractions as SplitFractions
from pipeline.data.raw import SPLITS, Changed, Parts
from pipeline.data.raw import RawSplit as RawSplit
from pipeline.data.renaming import Renaming
from pipeline.data.row_counts import BAD, LEAKED, RARE, READ, Rows
from pipeline.errors import DataError, nearest
from pipeline.tasks import SINGLE_LABEL, MultiLabel, SingleLabel, Task
from pipeline.tasks.base import LABEL
from pipeline.tasks.inputs import TEXT_PAIR, Input, input_columns, inputs_of

if TYPE_CHECKING:
    from datasets import Dataset

log = logging.getLogger(__name__)
LONGEST, DRAWN = 50, 200  # texts
LONG = 20_000  # characters


@dataclass(frozen=True)
class Splits:
    """A data set, ready to use: each split has the columns `text` (string) and `label` (index into `labels`).

    Where the inputs are pairs of texts, it also has `text_pair` (string); where a text may have several labels, `label` has
    lists of indices.
    """

    train: "Dataset"
    validation: "Dataset"
    test: "Dataset"
    labels: tuple[str, ...]
    oos: int | None  # index of the out-of-scope label
    content_hash: str  # of texts, labels and their order in all splits, without names and paths
    notes: tuple[str, ...] = ()  # what was told about the data: counts of what was changed, and what it looks like
    rows: Rows = field(default_factory=dict)  # how many were read, dropped and drawn
    task: Task = SINGLE_LABEL  # what goes in and what comes out
    label_names: tuple[str, ...] = ()  # what a checkpoint's outputs LABEL_0, LABEL_1, ... are called, where it was given

    @property
    def looked_at(self) -> "Dataset":
        """The texts that may be looked at before anything is measured: those of train, without train of validation."""
        return self.train if len(self.train) else self.validation

    def with_labels(self, more: Sequence[str], note: str) -> "Splits":
        """The same rows with further labels behind the others, which no row has; note: what is to be told about it."""
        names = [*self.labels, *more]
        content_hash = hashlib.sha256(repr([self.content_hash, *more]).encode()).hexdigest()
        tables = {name: getattr(self, name).with_format("arrow")[:] for name in SPLITS}
        made = _datasets(tables, self.task.feature(names), content_hash)
        return replace(self, **made, labels=tuple(names), content_hash=content_hash, notes=(*self.notes, note))

    @property
    def metrics(self) -> dict[str, float]:
        """How many rows were dropped, if any, by MLflow name."""
        dropped = row_counts.dropped(self.rows)
        return {"data/dropped_rows": float(dropped)} if dropped else {}

    def report(self, more: Sequence[str] = ()) -> str:
        """The text of `data_report.md`; more: notes about the data that were found since."""
        return row_counts.report(self.rows, [*self.notes, *more])


def typical_texts(*splits: "Dataset") -> list[Input]:
    """The longest inputs of some splits, and others that are drawn evenly: a few hundred, for checks of a tokenizer.

    Of very long texts only the beginning is taken.
    """
    names = input_columns(splits[0].column_names)
    whole = pa.concat_tables([split.with_format("arrow")[:].select(names) for split in splits])
    lengths = pa.array(sum(pc.utf8_length(whole.column(name)).to_numpy() for name in names))
    by_length = pc.select_k_unstable(lengths, LONGEST, [("", "descending")])
    evenly = pa.array(range(0, len(whole), max(1, len(whole) // DRAWN))[:DRAWN])
    rows = pa.concat_arrays([by_length.cast(pa.int64()), evenly])
    cut = {name: pc.utf8_slice_codeunits(whole.column(name).take(rows), 0, LONG).to_pylist() for name in names}
    return list(dict.fromkeys(inputs_of(cut)))


@dataclass(frozen=True)
class Rules:
    """What the user wants done with rows and labels before they become splits."""

    on_bad_rows: str = bad_rows.ERROR
    renaming: Renaming | None = None
    min_class_size: int | None = None
    rare_classes: str = labels.MERGE
    on_leaks: str = leaks.TELL
    label_columns: tuple[str, ...] = ()  # the labels, where each has a column
    label_names: tuple[str, ...] = ()  # what the labels 0, 1, ... stand for


def assemble(
    parts: Mapping[str, RawSplit | None], oos_label: str | None, cut: SplitFractions, rules: Rules | None = None
) -> Splits:
    """Check and change the splits as the rules say, draw missing ones from train, number the labels.

    Without train, which is then empty, the labels are those of the other splits, and validation is drawn from test.
    Raises DataError for an empty split, bad rows that are not to be dropped, fewer than two classes, a drawn split that
    lacks most classes, and an out-of-scope label that does not exist, or where a text may have several labels. Warns,
    with counts, about what was changed and what looks wrong; the warnings are also the notes of the splits.
    """
    rules, told = rules or Rules(), _Told()
    given = {name: part for name, part in parts.items() if part is not None}
    first = next(iter(given.values()))
    learned = ("train",) if "train" in given else tuple(given)  # the splits whose labels are the labels
    if oos_label is not None and first.several:
        raise DataError(f"data.oos_label={oos_label}: out of scope is known for one label a text only; set it to null")
    given = told.of((given, [note for part in given.values() for note in part.notes]), READ)
    given = told.of(labels.trimmed(given))
    told.of((given, labels.unused(given[learned[0]], rules.label_columns)))
    given = told.of(labels.renamed(given, rules.renaming))
    given = told.of(labels.named(given, rules.label_names))
    given = told.of(bad_rows.checked(given, rules.on_bad_rows, learned), BAD)
    given = told.of(leaks.dropped(given, rules.on_leaks), LEAKED)
    given = told.of(labels.without_rare(given, rules.min_class_size, rules.rare_classes, oos_label), RARE)
    full = told.of(drawing.missing(given, cut), row_counts.DRAWN)
    if full.keys() != given.keys():
        full = told.of(leaks.dropped(full, rules.on_leaks), LEAKED)
    full = told.of(bad_rows.checked(full, rules.on_bad_rows, learned), BAD)  # train may have lost classes since
    names = labels.names_of([full[name] for name in learned])
    oos = _index_of(oos_label, names)
    told.of((full, _looks(full, names, oos_label)))
    encoded = {name: labels.numbered(part, names) for name, part in full.items()}
    encoded = {name: encoded[name] if name in encoded else encoded["test"].slice(0, 0) for name in SPLITS}
    return replace(_splits(encoded, names, oos, told), label_names=rules.label_names)


class _Told:
    """Keeps what the verbs of `assemble` tell, and counts the rows that they drop."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.counter = row_counts.Counter()

    def of(self, changed: Changed, what: str = "") -> Parts:
        """Log each note as a warning at once: a later error may be explained by it. Raises DataError for an empty split.

        what: the name of what was done to the rows, if they may have become fewer.
        """
        parts, notes = changed
        for note in notes:
            log.warning("warning: %s", note)
        self.notes += notes
        self.counter.count(parts, what)
        for name, part in parts.items():
            if part.table.num_rows == 0:
                raise DataError(f"{part.where}: the {name} split is empty")
        return parts


def _index_of(oos_label: str | None, names: list[str]) -> int | None:
    if oos_label is not None and oos_label not in names:
        raise DataError(f"data.oos_label={oos_label}: no such label{nearest(oos_label, names)}")
    return names.index(oos_label) if oos_label is not None else None


def _looks(parts: Parts, names: list[str], oos_label: str | None) -> list[str]:
    """What looks wrong: labels that are meant otherwise, missing classes, leaks, contradictions."""
    train = next(iter(parts.values()))
    found = hints.of_spelling(names)
    if not train.several:
        found = [*hints.of_labels(names, train.table.num_rows), *found, *hints.of_null(names, oos_label)]
    return [
        *(f"{train.where}: {hint}" for hint in found), *labels.without_label(parts), *labels.missing_classes(parts, names),
        *groups.shared(parts), *leaks.counted(parts), *(labels.contradictions(train) if "train" in parts else ()),
    ]  # fmt: skip


def _splits(encoded: Mapping[str, pa.Table], names: list[str], oos: int | None, told: _Told) -> Splits:
    several = label_lists.are_lists(encoded["test"].schema.field(LABEL).type)
    task = (MultiLabel if several else SingleLabel)(pairs=TEXT_PAIR in encoded["test"].column_names)
    content_hash = _content_hash(encoded, names)
    return Splits(
        **_datasets(encoded, task.feature(names), content_hash), labels=tuple(names), oos=oos, content_hash=content_hash,
        notes=tuple(told.notes), rows=told.counter.done(), task=task,
    )  # fmt: skip


def _datasets(encoded: Mapping[str, pa.Table], labels: Any, content_hash: str) -> dict[str, Any]:
    """The splits; labels: the type of the label column, of the library datasets."""
    from datasets import Dataset, DatasetInfo, Features, Value

    inputs = input_columns(encoded["test"].column_names)
    features = Features({**{name: Value("large_string") for name in inputs}, LABEL: labels})
    info = DatasetInfo(features=features)
    return {  # with a fingerprint, datasets does not hash the whole table
        name: Dataset(table.cast(features.arrow_schema), info=info, fingerprint=f"{content_hash[:32]}-{name}")
        for name, table in encoded.items()
    }


def _content_hash(tables: Mapping[str, pa.Table], names: list[str]) -> str:
    content = hashlib.sha256(repr(names).encode())
    for split in SPLITS:
        table = tables[split]
        texts = [table.column(each).cast(pa.large_binary()).combine_chunks() for each in input_columns(table.column_names)]
        content.update(f"{split}{TEXT_PAIR if len(texts) > 1 else ''}".encode())
        for column in (*map(pc.binary_length, texts), *_label_numbers(table.column(LABEL).combine_chunks())):
            content.update(np.ascontiguousarray(column.to_numpy(zero_copy_only=False)).tobytes())
        for text in texts:
            offsets = np.frombuffer(text.buffers()[1], dtype=np.int64)[text.offset : text.offset + len(text) + 1]
            content.update(memoryview(text.buffers()[2])[offsets[0] : offsets[-1]])
    return content.hexdigest()


def _label_numbers(column: pa.Array) -> list[pa.Array]:
    """The labels, int64; of lists also how many each row has."""
    if label_lists.are_lists(column.type):
        return [pc.list_value_length(column).cast(pa.int64()), column.flatten()]
    return [column]
