"""`RawSplit`: one split as it was read, a table of strings. The verbs of `splits.assemble` drop and change its rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from pipeline.data import label_lists
from pipeline.data.columns import GROUP, rows_of
from pipeline.data.label_lists import Place
from pipeline.tasks.base import LABEL

SPLITS = ("train", "validation", "test")

Parts = dict[str, "RawSplit"]  # "train", "validation", "test" -> the split
Changed = tuple[Parts, list[str]]  # what a verb makes of the parts, and what is to be told about it


@dataclass(frozen=True)
class RawSplit:
    """One split: a table of strings, and its names for messages."""

    table: pa.Table  # `text`, for pairs `text_pair`, `label` (or lists of them), and `group` where rows belong together
    where: str  # the file or data set it came from
    columns: Mapping[str, str] = field(default_factory=dict)  # a column of the table -> its name in that file, if another
    row: Place | None = None  # names a row for people; None: its number in `where`
    notes: tuple[str, ...] = ()  # about how it was read

    @property
    def several(self) -> bool:
        """Whether a row may have several labels."""
        return label_lists.are_lists(self.table.schema.field(LABEL).type)

    @property
    def inputs(self) -> list[str]:
        """The columns of what is classified."""
        return [name for name in self.table.column_names if name not in (LABEL, GROUP)]

    def place(self, row: int, column: str) -> str:
        """File, row and column, for a message."""
        return f"{self._row(row)}, column {self.columns.get(column, column)!r}"

    def with_labels(self, labels: pa.ChunkedArray) -> "RawSplit":
        """The same rows with other labels."""
        return replace(self, table=self.table.set_column(self.table.column_names.index(LABEL), LABEL, labels))

    def filter(self, kept: np.ndarray) -> "RawSplit":
        """The rows where `kept`, bool (rows,), is True."""
        named, table = self._row, self.table.filter(pa.array(kept))
        return replace(self, table=table, row=lambda row: named(int(np.flatnonzero(kept)[row])))

    def take(self, rows: np.ndarray) -> "RawSplit":
        """The rows with these indices, in this order."""
        named, table = self._row, self.table.take(pa.array(rows))
        return replace(self, table=table, row=lambda row: named(int(rows[row])))

    @property
    def _row(self) -> Place:
        return self.row or rows_of(self.where)


def mask(found: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """An Arrow array of booleans without nulls as NumPy's."""
    values: np.ndarray = found.to_numpy(zero_copy_only=False) if isinstance(found, pa.Array) else found.to_numpy()
    return values.astype(bool, copy=False)
