"""Columns in the types that their file gave them -> columns of strings, checked.

A `Place` names a row for people: its file and its number there. Every problem is a DataError that names row and column.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data import label_lists
from pipeline.data.label_lists import Place
from pipeline.errors import DataError
from pipeline.tasks.base import LABEL

GROUP = "group"  # the column that says which rows belong together
SEPARATOR = " "  # between the texts of several columns: the joined text stays one line if its parts are
TEXT_TYPES = (
    pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_binary, pa.types.is_large_binary,
)  # fmt: skip


@dataclass(frozen=True)
class LabelColumns:
    """Where the labels of a row are."""

    names: Sequence[str]  # the column
    separator: str | None = None  # between several labels in a cell
    indicators: bool = False  # whether there is a column of 0 and 1 for each label instead


def rows_of(where: str) -> Place:
    """The place of a row where rows are counted from 1."""
    return lambda index: f"{where}, row {index + 1}"


def as_strings(
    table: pa.Table, texts: Mapping[str, Sequence[str]], label: LabelColumns, where: str, place: Place | None = None,
    group_column: str | None = None,
) -> pa.Table:  # fmt: skip
    """Columns of a table as those of a split: texts and `group` are `large_string`, `label` too, or lists of them.

    texts: `text` and, for pairs, `text_pair` -> the columns that are joined to it. where: the file or data set.
    Raises DataError for other types than those of texts and labels, and unless they are UTF-8.
    """
    place = place or rows_of(where)
    made = {
        name: joined(strings(table.column(column), column, where, place) for column in columns)
        for name, columns in texts.items()
    }
    made[LABEL] = labels(table, label, where, place)
    if group_column is not None:
        group = table.column(group_column)
        binary = pa.types.is_binary(group.type) or pa.types.is_large_binary(group.type)
        made[GROUP] = _or_null(strings(group, group_column, where, place) if binary else group.cast(pa.large_string()))
    return pa.table(made)


def joined(texts: Iterable[pa.ChunkedArray]) -> pa.ChunkedArray:
    """Columns of texts as one, with SEPARATOR between; blank parts are left out. One column stays as it is."""
    columns = list(texts)
    if len(columns) == 1:
        return columns[0]
    filled = [_or_null(column) for column in columns]
    nothing = functools.reduce(pc.and_, map(pc.is_null, filled))
    filled[0] = pc.if_else(nothing, "", filled[0])  # where Arrow could skip all parts of a row, it would drop the row
    return pc.binary_join_element_wise(*filled, pa.scalar(SEPARATOR, pa.large_string()), null_handling="skip")


def _or_null(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The strings, those that are blank as null."""
    return pc.if_else(blank(column), pa.scalar(None, column.type), column)


def blank(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Whether strings are null, empty or white space only; no nulls."""
    return pc.fill_null(pc.or_(pc.equal(pc.binary_length(column), 0), pc.utf8_is_space(column)), True)


def strings(column: pa.ChunkedArray, name: str, where: str, place: Place | None = None) -> pa.ChunkedArray:
    """A column of texts as `large_string`; nulls are kept. Raises DataError unless it is text in UTF-8."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_null(kind):
        return column.cast(pa.large_string())
    if not any(test(kind) for test in TEXT_TYPES):
        raise DataError(f"{where}, column {name!r}: holds {kind}, not text")
    raw = column.cast(pa.large_binary())
    try:
        return raw.cast(pa.large_string())  # checks that it is UTF-8
    except pa.ArrowInvalid as error:
        index = next(i for i, value in enumerate(raw) if _undecodable(value.as_py()))
        row = (place or rows_of(where))(index)
        raise DataError(f"{row}, column {name!r}: not UTF-8; save the file as UTF-8") from error


def labels(table: pa.Table, wanted: LabelColumns, where: str, place: Place | None = None) -> pa.ChunkedArray:
    """The labels (strings, integers, booleans) as `large_string`, or lists of them; nulls are kept where they are no lists.

    Raises DataError for other types.
    """
    if wanted.indicators:
        return label_lists.from_columns(table, wanted.names, place or rows_of(where))
    (name,) = wanted.names
    column = table.column(name)
    if label_lists.are_lists(column.type):
        if wanted.separator is not None:
            raise DataError(
                f"data.label_separator={wanted.separator}: the column {name!r} holds lists already; remove the setting"
            )
        return label_lists.from_lists(column, f"{where}, column {name!r}")
    if pa.types.is_integer(column.type) or pa.types.is_boolean(column.type):
        found = column.cast(pa.large_string())  # true and false
    elif pa.types.is_floating(column.type):
        raise DataError(f"{where}, column {name!r}: labels are {column.type}; they must be strings, integers or booleans")
    else:
        found = strings(column, name, where, place)
    return found if wanted.separator is None else label_lists.split(found, wanted.separator)


def name_classes(table: pa.Table, column: str, names: Sequence[str], where: str) -> pa.Table:
    """Replace the numbers of classes in a column, or in its lists, by their names; -1 becomes null.

    Raises DataError for other numbers.
    """
    values = table.column(column).combine_chunks()
    listed = pa.types.is_list(values.type) or pa.types.is_large_list(values.type)
    codes = values.values if listed else values
    if not pa.types.is_integer(codes.type):  # names already
        return table
    codes = codes.cast(pa.int64())
    wrong = pc.index(pc.fill_null(pc.or_(pc.less(codes, -1), pc.greater_equal(codes, len(names))), False), True).as_py()
    if wrong >= 0:
        place = f"{where}, column {column!r}" if listed else f"{where}, row {wrong + 1}, column {column!r}"
        raise DataError(f"{place}: {codes[wrong]} is none of its {len(names)} classes")
    named = pa.array(names, pa.large_string()).take(pc.if_else(pc.greater_equal(codes, 0), codes, None))
    if listed:
        named = type(values).from_arrays(values.offsets, named, mask=values.is_null())
    return table.set_column(table.column_names.index(column), column, pa.chunked_array([named]))


def _undecodable(value: bytes | None) -> bool:
    try:
        (value or b"").decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False
