"""One file of the user -> an Arrow table with the columns `text`, for pairs `text_pair`, and `label`, all strings.

Not here: checks of the values (`splits.py`). Every problem is a DataError that names the file and, if known, the row (as in
a spreadsheet: the header of a CSV is row 1) and the column.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data import delimited, label_lists, quotes
from pipeline.data.delimited import BLOCK_BYTES, MAX_BLOCK_BYTES, PAIR_SETTINGS, SETTINGS, Dialect, require, require_header
from pipeline.data.formats import DELIMITERS, JSON_LINES, PARQUET
from pipeline.errors import DataError
from pipeline.tasks.inputs import TEXT, TEXT_PAIR
from pipeline.tasks.single_label import LABEL

TEXT_TYPES = (
    pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_binary, pa.types.is_large_binary,
)  # fmt: skip


@dataclass(frozen=True)
class FileTable:
    """What was read of a file."""

    table: pa.Table  # `text`, for pairs `text_pair`, and `label`, strings (or lists), in the file's order, nulls kept
    columns: tuple[str, ...]  # the names of all columns of the file
    notes: tuple[str, ...] = ()  # sentences about what may be wrong with it


def read(
    path: Path, text_column: str, label_column: str, quoting: bool | None = None, pair_column: str | None = None
) -> FileTable:
    """Read the columns of a file; `quoting` is `data.quoting`, `pair_column` the second text of pairs.

    Raises DataError when the file is missing or not of its format, a column is missing or not UTF-8, or the labels are
    neither strings nor integers.
    """
    columns: list[str] = [text_column, label_column]
    settings: Sequence[str] = SETTINGS
    if pair_column is not None:
        columns, settings = [text_column, pair_column, label_column], PAIR_SETTINGS
    table, names, notes = read_raw(path, columns, quoting, settings)
    return FileTable(as_strings(table, path, text_column, label_column, quoting, pair_column), tuple(names), tuple(notes))


def read_indicators(
    path: Path, text_column: str, label_columns: Sequence[str], quoting: bool | None = None, pair_column: str | None = None
) -> FileTable:
    """Read a file with one column of 0 and 1 for each label. Raises DataError as `read`, and for other values."""
    texts = [text_column] if pair_column is None else [text_column, pair_column]
    settings = (*PAIR_SETTINGS[: len(texts)], *["data.label_columns="] * len(label_columns))
    table, names, notes = read_raw(path, [*texts, *label_columns], quoting, settings)
    labels = label_lists.from_columns(table, label_columns, str(path))
    columns = {**_texts(table, path, text_column, quoting, pair_column), LABEL: labels}
    return FileTable(pa.table(columns), tuple(names), tuple(notes))


def read_raw(
    path: Path, columns: Sequence[str], quoting: bool | None, settings: Sequence[str] = SETTINGS
) -> tuple[pa.Table, list[str], list[str]]:
    """Columns of a file (the label last) in their own types, the names of all its columns, notes. Raises DataError.

    settings: how a user names the columns.
    """
    if not path.is_file():
        raise DataError(f"{path}: {'is a directory, not a file' if path.is_dir() else 'no such file'}")
    suffix = path.suffix.lower()
    try:
        if suffix in DELIMITERS:
            return _read_delimited(path, columns, Dialect.of(path, quoting), settings)
        if suffix in JSON_LINES:
            return _read_json_lines(path, columns, settings)
        if suffix in PARQUET:
            return _read_parquet(path, columns, settings)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OSError) as error:
        raise DataError(f"{path}: can't be read as {suffix[1:]}: {_from_one(str(error))}") from error
    raise DataError(f"{path}: unknown type of file; use .csv, .tsv, .jsonl or .parquet")


def as_strings(
    table: pa.Table, where: Path, text_column: str, label_column: str, quoting: bool | None = None,
    pair_column: str | None = None,
) -> pa.Table:  # fmt: skip
    """Columns of a table as `text`, for pairs `text_pair`, and `label`: strings, or lists of strings as labels.

    Raises DataError for other types, and unless they are UTF-8.
    """
    texts = _texts(table, where, text_column, quoting, pair_column)
    return pa.table({**texts, LABEL: _labels(table.column(label_column), where, label_column, quoting)})


def _texts(
    table: pa.Table, where: Path, text_column: str, quoting: bool | None, pair_column: str | None
) -> dict[str, pa.ChunkedArray]:
    named = {TEXT: text_column} if pair_column is None else {TEXT: text_column, TEXT_PAIR: pair_column}
    return {name: strings(table.column(column), where, column, quoting) for name, column in named.items()}


def row_number(path: Path, index: int, quoting: bool | None = None) -> int:
    """The row number that people see for a record's index from 0: spreadsheets count the header and blank lines."""
    if path.suffix.lower() not in DELIMITERS:
        return index + 1
    return delimited.row_number(path, index, Dialect.of(path, quoting))


def _from_one(message: str) -> str:
    """Add 1 to row numbers: Arrow counts the rows of JSON lines from 0."""
    return re.sub(r"\bin row (\d+)", lambda found: f"in row {int(found[1]) + 1}", message)


def _read_delimited(
    path: Path, columns: Sequence[str], dialect: Dialect, settings: Sequence[str]
) -> tuple[pa.Table, list[str], list[str]]:
    names = delimited.header(path, dialect)
    require_header(path, dialect, names, columns, settings)
    notes = quotes.check_marks(path, dialect)
    table = delimited.read_columns(path, dialect, columns)
    return table, names, notes + quotes.check_lines(path, dialect, names, columns[-1], table)


def _read_json_lines(path: Path, columns: Sequence[str], settings: Sequence[str]) -> tuple[pa.Table, list[str], list[str]]:
    import pyarrow.json as arrow_json

    with path.open("rb") as file:
        if file.read(100).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"[":
            raise DataError(f"{path}: a JSON array; JSON lines are expected, one object a line")
    block = arrow_json.ReadOptions(block_size=BLOCK_BYTES)
    if BLOCK_BYTES < path.stat().st_size < MAX_BLOCK_BYTES and _longest_line(path) > BLOCK_BYTES:
        block = arrow_json.ReadOptions(block_size=path.stat().st_size)
    table = arrow_json.read_json(path, read_options=block)
    require(path, table.column_names, columns, settings)
    dates = [name for name in columns if pa.types.is_timestamp(table.schema.field(name).type)]
    if dates:  # Arrow takes strings that look like dates for dates, where all do
        schema = pa.schema([(name, pa.large_string()) for name in dict.fromkeys(dates)])
        table = arrow_json.read_json(path, block, arrow_json.ParseOptions(explicit_schema=schema))
    return table, table.column_names, []


def _longest_line(path: Path) -> int:
    with path.open("rb") as file:
        return max(map(len, file), default=0)


def _read_parquet(path: Path, columns: Sequence[str], settings: Sequence[str]) -> tuple[pa.Table, list[str], list[str]]:
    import pyarrow.parquet as parquet

    schema = parquet.read_schema(path)
    require(path, schema.names, columns, settings)
    table = parquet.read_table(path, columns=list(dict.fromkeys(columns)))
    names = _class_names(schema, columns[-1])
    if names is not None:
        table = name_classes(table, columns[-1], names, str(path))
    return table, schema.names, []


def _class_names(schema: pa.Schema, column: str) -> list[str] | None:
    """The names of a column's classes where the library `datasets` wrote them into the schema; else None."""
    try:
        feature = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"][column]
        return label_lists.class_names(feature)
    except (KeyError, TypeError, ValueError):
        return None


def name_classes(table: pa.Table, column: str, names: Sequence[str], where: str) -> pa.Table:
    """Replace the numbers of classes in a column by their names; -1 becomes null. Raises DataError for other numbers."""
    numbers = table.column(column)
    if label_lists.are_lists(numbers.type):
        lists = label_lists.from_lists(numbers, names, f"{where}, column {column!r}")
        return table.set_column(table.column_names.index(column), column, lists)
    if not pa.types.is_integer(numbers.type):  # names already
        return table
    codes = numbers.combine_chunks().cast(pa.int64())
    wrong = pc.index(pc.fill_null(pc.or_(pc.less(codes, -1), pc.greater_equal(codes, len(names))), False), True).as_py()
    if wrong >= 0:
        raise DataError(f"{where}, row {wrong + 1}, column {column!r}: {codes[wrong]} is none of its {len(names)} classes")
    known = pc.if_else(pc.greater_equal(codes, 0), codes, None)
    label = pa.chunked_array([pa.array(names, pa.large_string()).take(known)])
    return table.set_column(table.column_names.index(column), column, label)


def strings(column: pa.ChunkedArray, path: Path, name: str, quoting: bool | None = None) -> pa.ChunkedArray:
    """A column as `large_string`. Raises DataError unless it is text in UTF-8; `quoting` finds the number of the row."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_null(kind):
        return column.cast(pa.large_string())
    if not any(test(kind) for test in TEXT_TYPES):
        raise DataError(f"{path}, column {name!r}: holds {kind}, not text")
    raw = column.cast(pa.large_binary())
    try:
        return raw.cast(pa.large_string())  # checks that it is UTF-8
    except pa.ArrowInvalid as error:
        index = next(i for i, value in enumerate(raw) if _undecodable(value.as_py()))
        row = row_number(path, index, quoting)
        raise DataError(f"{path}, row {row}, column {name!r}: not UTF-8; save the file as UTF-8") from error


def _undecodable(value: bytes | None) -> bool:
    try:
        (value or b"").decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False


def _labels(column: pa.ChunkedArray, path: Path, name: str, quoting: bool | None) -> pa.ChunkedArray:
    if label_lists.are_lists(column.type):
        return label_lists.from_lists(column, None, f"{path}, column {name!r}")
    if pa.types.is_integer(column.type):
        return column.cast(pa.large_string())
    if pa.types.is_floating(column.type) or pa.types.is_boolean(column.type):
        raise DataError(f"{path}, column {name!r}: labels are {column.type}; they must be strings or integers")
    return strings(column, path, name, quoting)
