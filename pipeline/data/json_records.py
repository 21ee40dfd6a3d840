"""JSON: one object a line, an array of objects, or an object with such an array under a key."""

import itertools
import json
import re
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from pipeline.data.columns import rows_of
from pipeline.data.content import Content
from pipeline.data.file_table import SAMPLE_ROWS, FileTable, require
from pipeline.data.formats import JSON_LINES, suffix_of
from pipeline.data.label_lists import Place
from pipeline.errors import DataError

BLOCK_BYTES = 2**24  # bytes read at once; a file with a longer line is read as one block
MAX_BLOCK_BYTES = 2**31 - 1
NULL_LINE = re.compile(rb"\}[ \t]*+[\r\n]\s*+(null)\b")  # Arrow crashes where a block begins with one


def read(content: Content, wanted: Mapping[str, str]) -> FileTable:
    """The wanted columns. Raises DataError if the content is none of these forms or a column is missing."""
    try:
        whole = _whole(content)
        if whole is None:
            return _read_lines(content, wanted)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DataError(f"{content.path}: can't be read as JSON: {_from_one(str(error))}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{content.path}: can't be read as JSON ({error})") from error
    records, key = _records(content, whole, wanted)
    return _table(content, records, wanted, f"a JSON array{key}")


def _whole(content: Content) -> Any:
    """An array, or an object with a list of records; None where each line is an object. Raises ValueError for no JSON."""
    start = re.match(rb"\s*+(.?)", memoryview(content.data))
    assert start is not None  # it matches anything
    if start[1] == b"[":
        return json.loads(bytes(content.data))
    if start[1] != b"{":
        raise ValueError("it must be one object a line, or an array of objects")
    if suffix_of(content.path) in JSON_LINES:
        return None
    first = re.match(rb"\s*([^\r\n]*)\s*", memoryview(content.data))
    assert first is not None  # it matches anything
    try:
        only = json.loads(first[1])
    except ValueError:
        return _of_several_lines(content)
    single = first.end() == content.data.size and any(map(_is_records, only.values()))
    return only if single else None


def _of_several_lines(content: Content) -> Any:
    try:
        return json.loads(bytes(content.data))
    except ValueError:  # lines after all; their reader knows which is wrong
        return None


def _read_lines(content: Content, wanted: Mapping[str, str]) -> FileTable:
    import pyarrow.json as arrow_json

    null = NULL_LINE.search(memoryview(content.data))
    if null is not None:
        raise DataError(
            f"{content.path}, row {content.line_at(null.start(1))}: null, not an object with the columns as keys"
        )
    block = arrow_json.ReadOptions(block_size=BLOCK_BYTES)
    if BLOCK_BYTES < content.data.size < MAX_BLOCK_BYTES and max(map(len, content.text())) > BLOCK_BYTES / 4:
        block = arrow_json.ReadOptions(block_size=content.data.size)
    table = arrow_json.read_json(content.reader(), read_options=block)
    first = table.slice(0, SAMPLE_ROWS)
    require(content.path, table.column_names, wanted, ([*row.values()] for row in first.to_pylist()))
    dates = {name: _as_text(table.schema.field(name).type) for name in wanted}
    if any(kind is not None for kind in dates.values()):  # Arrow takes strings that look like dates for dates, where all do
        schema = pa.schema([(name, kind) for name, kind in dates.items() if kind is not None])
        table = arrow_json.read_json(content.reader(), block, arrow_json.ParseOptions(explicit_schema=schema))
    found = f"{table.num_rows} rows; JSON lines, {content.encoding}"
    return FileTable(table.select(list(wanted)), tuple(table.column_names), _lines_of(content), content.notes, (found,))


def _as_text(kind: pa.DataType) -> pa.DataType | None:
    """The type of dates as strings; None for other types."""
    if pa.types.is_list(kind):
        inner = _as_text(kind.value_type)
        return None if inner is None else pa.list_(inner)
    return pa.large_string() if pa.types.is_timestamp(kind) else None


def _lines_of(content: Content) -> Place:
    """The place of a record: its line, blank lines counted."""

    def place(index: int) -> str:
        with content.text() as file:
            filled = (number for number, line in enumerate(file, 1) if line.strip())
            return f"{content.path}, row {next(itertools.islice(filled, index, None), index + 1)}"

    return place


def _from_one(message: str) -> str:
    """Add 1 to row numbers: Arrow counts the rows of JSON lines from 0."""
    return re.sub(r"\bin row (\d+)", lambda found: f"in row {int(found[1]) + 1}", message)


def _is_records(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(record, dict) for record in value)


def _records(content: Content, whole: Any, wanted: Mapping[str, str]) -> tuple[list[dict[str, Any]], str]:
    """The list of records, and where it was found. Raises DataError where there is none, or more than one that fits."""
    if isinstance(whole, list):
        odd = next((number for number, record in enumerate(whole, 1) if not isinstance(record, dict)), None)
        if odd is not None:
            raise DataError(f"{content.path}: record {odd} of the JSON array is not an object with the columns as keys")
        return whole, ""
    lists = {key: value for key, value in whole.items() if _is_records(value)}
    fitting = {key: value for key, value in lists.items() if set(wanted) <= set(value[0])} or lists
    if not fitting:
        keys = ", ".join(map(repr, itertools.islice(whole, 6)))
        raise DataError(
            f"{content.path}: a JSON object without a list of records under a key (its keys: {keys}); write one object a "
            "line, or an array of objects"
        )
    if len(fitting) > 1:
        keys = ", ".join(map(repr, itertools.islice(fitting, 6)))
        raise DataError(f"{content.path}: has records under {keys}; save each list as a file of its own")
    [(key, records)] = fitting.items()
    return records, f" under the key {key!r}"


def _table(content: Content, records: list[dict[str, Any]], wanted: Mapping[str, str], form: str) -> FileTable:
    names = list(dict.fromkeys(key for record in records for key in record))
    if records:
        cells = ([record.get(name) for name in names] for record in records[:SAMPLE_ROWS])
        require(content.path, names, wanted, cells)
    columns = {}
    for name in wanted:
        values = [record.get(name) for record in records]
        try:
            columns[name] = pa.array(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeError) as error:
            kinds = sorted({type(value).__name__ for value in values if value is not None})
            raise DataError(f"{content.path}, column {name!r}: can't be read ({', '.join(kinds)}: {error})") from error
    found = f"{len(records)} rows; {form}, {content.encoding}"
    place = rows_of(f"{content.path}")
    return FileTable(pa.table(columns), tuple(names), place, content.notes, (found,))
