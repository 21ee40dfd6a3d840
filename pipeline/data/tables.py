"""One file of the user -> an Arrow table of the columns that are wanted, in the types that the file gives them.

Not here: their conversion to strings (`columns.py`), checks of the values (`splits.py`). Every problem is a DataError that
names the file and, if known, the row (as in a spreadsheet: the header of a CSV is row 1) and the column.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from pipeline.data import delimited, quotes
from pipeline.data.columns import Place, name_classes, rows_of
from pipeline.data.delimited import BLOCK_BYTES, MAX_BLOCK_BYTES, Dialect, require, require_header
from pipeline.data.formats import DELIMITERS, JSON_LINES, PARQUET, Format
from pipeline.errors import DataError


@dataclass(frozen=True)
class FileTable:
    """What was read of a file."""

    table: pa.Table  # the wanted columns under their own names, in the file's order of rows, nulls kept
    columns: tuple[str, ...]  # the names of all columns of the file
    place: Place  # names a row for people
    notes: tuple[str, ...] = ()  # sentences about what may be wrong with it


def read(path: Path, wanted: Mapping[str, str], form: Format) -> FileTable:
    """Read columns of a file.

    wanted: the names of columns, each with the setting that names it (for messages). Raises DataError when the file is
    missing or not of its format, or a column is missing.
    """
    if not path.is_file():
        raise DataError(f"{path}: {'is a directory, not a file' if path.is_dir() else 'no such file'}")
    suffix = path.suffix.lower()
    try:
        if suffix in DELIMITERS:
            return _read_delimited(path, wanted, Dialect.of(path, form))
        if suffix in JSON_LINES:
            return _read_json_lines(path, wanted)
        if suffix in PARQUET:
            return _read_parquet(path, wanted)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OSError) as error:
        raise DataError(f"{path}: can't be read as {suffix[1:]}: {_from_one(str(error))}") from error
    raise DataError(f"{path}: unknown type of file; use .csv, .tsv, .jsonl or .parquet")


def _from_one(message: str) -> str:
    """Add 1 to row numbers: Arrow counts the rows of JSON lines from 0."""
    return re.sub(r"\bin row (\d+)", lambda found: f"in row {int(found[1]) + 1}", message)


def _read_delimited(path: Path, wanted: Mapping[str, str], dialect: Dialect) -> FileTable:
    names = delimited.header(path, dialect)
    require_header(path, dialect, names, wanted)
    notes = quotes.check_marks(path, dialect)
    table = delimited.read_columns(path, dialect, list(wanted))
    notes += quotes.check_lines(path, dialect, names, table)

    def place(index: int) -> str:
        return f"{path}, row {delimited.row_number(path, index, dialect)}"

    return FileTable(table, tuple(names), place, tuple(notes))


def _read_json_lines(path: Path, wanted: Mapping[str, str]) -> FileTable:
    import pyarrow.json as arrow_json

    with path.open("rb") as file:
        if file.read(100).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"[":
            raise DataError(f"{path}: a JSON array; JSON lines are expected, one object a line")
    block = arrow_json.ReadOptions(block_size=BLOCK_BYTES)
    if BLOCK_BYTES < path.stat().st_size < MAX_BLOCK_BYTES and _longest_line(path) > BLOCK_BYTES:
        block = arrow_json.ReadOptions(block_size=path.stat().st_size)
    table = arrow_json.read_json(path, read_options=block)
    require(path, table.column_names, wanted)
    dates = [name for name in wanted if pa.types.is_timestamp(table.schema.field(name).type)]
    if dates:  # Arrow takes strings that look like dates for dates, where all do
        schema = pa.schema([(name, pa.large_string()) for name in dates])
        table = arrow_json.read_json(path, block, arrow_json.ParseOptions(explicit_schema=schema))
    return FileTable(table.select(list(wanted)), tuple(table.column_names), rows_of(str(path)))


def _longest_line(path: Path) -> int:
    with path.open("rb") as file:
        return max(map(len, file), default=0)


def _read_parquet(path: Path, wanted: Mapping[str, str]) -> FileTable:
    import pyarrow.parquet as parquet

    schema = parquet.read_schema(path)
    require(path, schema.names, wanted)
    table = parquet.read_table(path, columns=list(wanted))
    for column in wanted:
        names = _class_names(schema, column)
        if names is not None:
            table = name_classes(table, column, names, str(path))
    return FileTable(table, tuple(schema.names), rows_of(str(path)))


def _class_names(schema: pa.Schema, column: str) -> list[str] | None:
    """The names of a column's classes where the library `datasets` wrote them into the schema; else None."""
    try:
        feature = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"][column]
        return list(feature["names"]) if feature["_type"] == "ClassLabel" else None
    except (KeyError, TypeError, ValueError):
        return None
