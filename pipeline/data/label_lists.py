"""Several labels a text, as people store them -> a column of lists of names.

In one column with a separator, as lists (JSON, Parquet), or as one column of 0 and 1 for each label.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import DataError

Place = Callable[[int], str]  # index of a row, from 0 -> "a.csv, row 2"
BETWEEN = "\x1f"  # labels of one row
NAMES = pa.large_list(pa.large_string())
YES, NO = {"1", "1.0", "true", "yes"}, {"0", "0.0", "false", "no", ""}


def are_lists(kind: pa.DataType) -> bool:
    """Whether a column of this type holds lists."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def split(column: pa.ChunkedArray, separator: str) -> pa.ChunkedArray:
    """Names that are joined with a separator, `large_string`, as lists; an empty cell is a text without labels."""
    return pc.split_pattern(pc.fill_null(column, ""), separator).cast(NAMES)


def from_lists(column: pa.ChunkedArray, where: str) -> pa.ChunkedArray:
    """Lists of strings or integers as lists of names; null is a text without labels. Raises DataError for other types."""
    lists = column.combine_chunks().cast(pa.large_list(column.type.value_type))
    values = lists.flatten()
    if not (pa.types.is_integer(values.type) or pa.types.is_null(values.type) or _is_string(values.type)):
        raise DataError(f"{where}: the lists hold {values.type}; they must be strings or integers")
    return with_values(lists, pc.fill_null(values.cast(pa.large_string()), ""))


def flat(column: pa.ChunkedArray) -> pa.Array:
    """The labels of all rows, one after the other: `large_string` (labels,)."""
    values = column.combine_chunks()
    return values.flatten() if are_lists(column.type) else values.cast(pa.large_string())


def with_values(column: pa.ChunkedArray | pa.Array, values: pa.Array) -> pa.ChunkedArray:
    """The column with other labels in the places of `flat`."""
    if not are_lists(column.type):
        return pa.chunked_array([values])
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
    offsets = pa.array(np.concatenate(([0], np.cumsum(lengths))), pa.int64())
    return pa.chunked_array([pa.LargeListArray.from_arrays(offsets, values)])


def rows_of_values(column: pa.ChunkedArray) -> np.ndarray:
    """The row of each label of `flat`: int64 (labels,)."""
    if not are_lists(column.type):
        return np.arange(len(column))
    return np.repeat(np.arange(len(column)), pc.fill_null(pc.list_value_length(column), 0).to_numpy())


def distinct(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, int]:
    """Each label once a row, in alphabetical order, empty ones left out; and how many were repeated. No lists stay."""
    if not are_lists(column.type):
        return column, 0
    before: list[list[str]] = column.to_pylist()
    after = [sorted({name for name in own if name}) for own in before]
    repeated = sum(sum(map(bool, own)) - len(new) for own, new in zip(before, after, strict=True))
    return pa.chunked_array([pa.array(after, NAMES)]), repeated


def whole(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The labels of each row as one string, for comparison."""
    if not are_lists(column.type):
        return column
    return pa.chunked_array([pa.array(map(BETWEEN.join, column.to_pylist()), pa.large_string())])


def _is_string(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def from_columns(table: pa.Table, labels: Sequence[str], place: Place) -> pa.ChunkedArray:
    """One column of 0 and 1 a label, as lists of the columns' names. Raises DataError for another value."""
    marks = np.stack([_marks(table.column(label), label, place) for label in labels], axis=1)
    rows, columns = np.nonzero(marks)
    offsets = np.concatenate(([0], np.cumsum(np.bincount(rows, minlength=table.num_rows))))
    values = pa.array(labels, pa.large_string()).take(pa.array(columns))
    return pa.chunked_array([pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), values)])


def _marks(column: pa.ChunkedArray, label: str, place: Place) -> np.ndarray:
    """Which rows have a label: bool (rows,)."""
    text = column.cast(pa.large_string()) if not _is_binary(column.type) else column.cast(pa.large_binary())
    lower = pc.utf8_lower(pc.utf8_trim_whitespace(pc.fill_null(text.cast(pa.large_string()), "")))
    yes, no = (pc.is_in(lower, value_set=pa.array(sorted(values), pa.large_string())) for values in (YES, NO))
    wrong = pc.index(pc.or_(yes, no), False).as_py()
    if wrong >= 0:
        raise DataError(f"{place(wrong)}, column {label!r}: {lower[wrong].as_py()!r} is neither 0 nor 1")
    found: np.ndarray = yes.combine_chunks().to_numpy(zero_copy_only=False)
    return found


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))
