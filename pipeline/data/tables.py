"""One file of the user -> an Arrow table with the columns `text` and `label`, both strings.

Not here: checks of the values (`splits.py`). Every problem is a DataError that names the file and, if known, the row (as in
a spreadsheet: the header of a CSV is row 1) and the column.
"""

import csv
import itertools
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import DataError, nearest
from pipeline.tasks.single_label import LABEL, TEXT

DELIMITERS = {".csv": ",", ".tsv": "\t"}
JSON_LINES = {".jsonl", ".ndjson", ".json"}
BLOCK_BYTES = 2**24  # bytes read at once; no row may be longer
PARQUET = {".parquet", ".pq"}
TEXT_TYPES = (
    pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_binary, pa.types.is_large_binary,
)  # fmt: skip


def read(path: Path, text_column: str, label_column: str) -> pa.Table:
    """Read the two columns of a file.

    Returns a table `text: large_string, label: string`, in the file's order, nulls kept.
    Raises DataError when the file is missing or not of its format, a column is missing or not UTF-8, or the labels are
    neither strings nor integers.
    """
    if not path.is_file():
        raise DataError(f"{path}: {'is a directory, not a file' if path.is_dir() else 'no such file'}")
    suffix = path.suffix.lower()
    columns = [text_column, label_column]
    try:
        if suffix in DELIMITERS:
            table = _read_csv(path, columns, DELIMITERS[suffix])
        elif suffix in JSON_LINES:
            table = _read_json_lines(path, columns)
        elif suffix in PARQUET:
            table = _read_parquet(path, columns)
        else:
            raise DataError(f"{path}: unknown type of file; use .csv, .tsv, .jsonl or .parquet")
    except (pa.ArrowInvalid, pa.ArrowTypeError, OSError) as error:
        raise DataError(f"{path}: can't be read as {suffix[1:]}: {_from_one(str(error))}") from error
    return as_strings(table, path, text_column, label_column)


def as_strings(table: pa.Table, where: Path, text_column: str, label_column: str) -> pa.Table:
    """Two columns of a table as `text, label`, both strings. Raises DataError for other types, and unless they are UTF-8."""
    text = _strings(table.column(text_column), where, text_column)
    return pa.table({TEXT: text, LABEL: _labels(table.column(label_column), where, label_column)})


def row_number(path: Path, index: int) -> int:
    """The row number that people see for a record's index from 0: spreadsheets count the header and blank lines."""
    if path.suffix.lower() not in DELIMITERS:
        return index + 1
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        rows = csv.reader(file, delimiter=DELIMITERS[path.suffix.lower()])
        filled = (number for number, row in enumerate(rows, 1) if row)
        return next(itertools.islice(filled, index + 1, None))


def _from_one(message: str) -> str:
    """Add 1 to row numbers: Arrow counts the rows of JSON lines from 0."""
    return re.sub(r"\bin row (\d+)", lambda found: f"in row {int(found[1]) + 1}", message)


def _require(path: Path, known: list[str], columns: list[str]) -> None:
    for column, key in zip(columns, ("data.text_column", "data.label_column"), strict=True):
        if column not in known:
            raise DataError(f"{path}: no column {column!r}{nearest(column, known)}; name yours with {key}=...")


def _read_csv(path: Path, columns: list[str], delimiter: str) -> pa.Table:
    import pyarrow.csv as arrow_csv

    try:
        with path.open("rb") as file:
            first = file.readline().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}, row 1: not UTF-8; save the file as UTF-8") from error
    _require(path, next(csv.reader([first], delimiter=delimiter), []), columns)
    options = {
        "parse_options": arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        "convert_options": arrow_csv.ConvertOptions(
            include_columns=list(dict.fromkeys(columns)), column_types=dict.fromkeys(columns, pa.large_binary())
        ),
    }
    try:
        return arrow_csv.read_csv(path, read_options=arrow_csv.ReadOptions(block_size=BLOCK_BYTES), **options)
    except pa.ArrowInvalid:  # with one thread Arrow knows the number of the row
        try:
            return arrow_csv.read_csv(
                path, read_options=arrow_csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES), **options
            )
        except pa.ArrowInvalid as error:
            raise DataError(f"{path}: can't be read as csv: {str(error).replace('Row #', 'row ')}") from error


def _read_json_lines(path: Path, columns: list[str]) -> pa.Table:
    import pyarrow.json as arrow_json

    with path.open("rb") as file:
        if file.read(1) == b"[":
            raise DataError(f"{path}: a JSON array; JSON lines are expected, one object a line")
    table = arrow_json.read_json(path, read_options=arrow_json.ReadOptions(block_size=BLOCK_BYTES))
    _require(path, table.column_names, columns)
    return table


def _read_parquet(path: Path, columns: list[str]) -> pa.Table:
    import pyarrow.parquet as parquet

    _require(path, parquet.read_schema(path).names, columns)
    return parquet.read_table(path, columns=list(dict.fromkeys(columns)))


def _strings(column: pa.ChunkedArray, path: Path, name: str) -> pa.ChunkedArray:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_null(kind):
        return column.cast(pa.large_string())
    if not any(test(kind) for test in TEXT_TYPES):
        raise DataError(f"{path}, column {name!r}: holds {kind}, not text")
    raw = column.cast(pa.large_binary())
    try:
        return raw.cast(pa.large_string())  # checks that it is UTF-8
    except pa.ArrowInvalid as error:
        row = row_number(path, next(i for i, value in enumerate(raw) if _undecodable(value.as_py())))
        raise DataError(f"{path}, row {row}, column {name!r}: not UTF-8; save the file as UTF-8") from error


def _undecodable(value: bytes | None) -> bool:
    try:
        (value or b"").decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False


def _labels(column: pa.ChunkedArray, path: Path, name: str) -> pa.ChunkedArray:
    if pa.types.is_integer(column.type):
        return column.cast(pa.large_string())
    if pa.types.is_floating(column.type) or pa.types.is_boolean(column.type):
        raise DataError(f"{path}, column {name!r}: labels are {column.type}; they must be strings or integers")
    return pc.utf8_trim_whitespace(_strings(column, path, name))
