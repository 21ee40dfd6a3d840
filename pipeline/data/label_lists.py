"""Several labels a text, as people store them -> a column of lists of names.

In one column with a separator, as lists (JSON, Parquet), or as one column of 0 and 1 for each label.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import DataError

NAMES = pa.large_list(pa.large_string())
YES, NO = {"1", "1.0", "true", "yes"}, {"0", "0.0", "false", "no", ""}


def are_lists(kind: pa.DataType) -> bool:
    """Whether a column of this type holds lists."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def split(column: pa.ChunkedArray, separator: str) -> pa.ChunkedArray:
    """Names that are joined with a separator, as lists; an empty cell is a text without labels.

    Raises DataError for a column of lists.
    """
    if are_lists(column.type):
        raise DataError(f"data.label_separator={separator}: the label column holds lists already; remove the setting")
    filled = pc.fill_null(column.cast(pa.large_string()), "")
    return pc.split_pattern(filled, separator).cast(NAMES)


def from_lists(column: pa.ChunkedArray, names: Sequence[str] | None, where: str) -> pa.ChunkedArray:
    """Lists of strings or integers as lists of names; null is a text without labels. Raises DataError for other types.

    names: those of classes that are stored as numbers.
    """
    lists = column.combine_chunks().cast(pa.large_list(column.type.value_type))
    offsets = pa.array(np.concatenate(([0], np.cumsum(pc.fill_null(pc.list_value_length(lists), 0).to_numpy()))))
    values = lists.flatten()
    if names is not None and pa.types.is_integer(values.type):
        wrong = pc.any(pc.or_(pc.less(values, 0), pc.greater_equal(values, len(names)))).as_py()
        if wrong:
            raise DataError(f"{where}: a number is none of its {len(names)} classes")
        values = pa.array(names, pa.large_string()).take(values)
    if not (pa.types.is_integer(values.type) or pa.types.is_null(values.type) or _is_string(values.type)):
        raise DataError(f"{where}: the lists hold {values.type}; they must be strings or integers")
    found = pa.LargeListArray.from_arrays(offsets.cast(pa.int64()), pc.fill_null(values.cast(pa.large_string()), ""))
    return pa.chunked_array([found])


def _is_string(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def from_columns(table: pa.Table, labels: Sequence[str], where: str) -> pa.ChunkedArray:
    """One column of 0 and 1 a label, as lists of the columns' names. Raises DataError for another value."""
    marks = np.stack([_marks(table.column(label), label, where) for label in labels], axis=1)
    rows, columns = np.nonzero(marks)
    offsets = np.concatenate(([0], np.cumsum(np.bincount(rows, minlength=table.num_rows))))
    values = pa.array(labels, pa.large_string()).take(pa.array(columns))
    return pa.chunked_array([pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), values)])


def _marks(column: pa.ChunkedArray, label: str, where: str) -> np.ndarray:
    """Which rows have a label: bool (rows,)."""
    text = column.cast(pa.large_string()) if not _is_binary(column.type) else column.cast(pa.large_binary())
    lower = pc.utf8_lower(pc.utf8_trim_whitespace(pc.fill_null(text.cast(pa.large_string()), "")))
    yes, no = (pc.is_in(lower, value_set=pa.array(sorted(values), pa.large_string())) for values in (YES, NO))
    wrong = pc.index(pc.or_(yes, no), False).as_py()
    if wrong >= 0:
        raise DataError(f"{where}, record {wrong + 1}, column {label!r}: {lower[wrong].as_py()!r} is neither 0 nor 1")
    found: np.ndarray = yes.combine_chunks().to_numpy(zero_copy_only=False)
    return found


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def class_names(feature: Any) -> list[str] | None:
    """The names of the classes in a list, from the description that the library datasets stores; None without names."""
    while isinstance(feature, dict) and "feature" in feature:
        feature = feature["feature"]
    if isinstance(feature, list) and feature:
        feature = feature[0]
    return list(feature["names"]) if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" else None
