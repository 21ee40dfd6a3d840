"""What quotation marks hide in a CSV or TSV file: a stray one swallows all rows up to the next one.

Such a file is a DataError where that is sure, and a note where it may be so. `data.quoting` says how the file is meant:
what is given is not doubted, only told.
"""

import re
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data.content import Content
from pipeline.data.delimited import read_columns, row_number
from pipeline.data.dialect import Dialect
from pipeline.errors import DataError

MANY_LINES = 20  # a text of more lines is told
SURE = 2  # lines inside of a text that look like rows of their own
MAX_LABELS = 10_000
LINE_BREAK = re.compile(r"\r\n|\r|\n")
QUOTED = rb'"(?:[^"]++|"")*+"'


def _way_out(dialect: Dialect) -> str:
    return (
        f'double the quotation marks inside of texts (""), or set {dialect.says(False)} if they are characters of the texts'
    )


def check_marks(content: Content, dialect: Dialect) -> list[str]:
    """Notes about cells that go on behind their closing quotation mark.

    Raises DataError for a mark that is never closed, and, unless `data.quoting` is given, for a cell of that kind that
    has several lines.
    """
    if not dialect.quoting:
        return []
    data = memoryview(content.data)
    odd = list(_odd_cells(data, dialect.delimiter.encode()))
    for start, end in odd:
        text = bytes(data[start:end])
        lines = len(LINE_BREAK.split(text.decode("utf-8", errors="replace").rstrip()))
        where = f"{content.path}, line {content.line_at(start)}: a quotation mark opens a cell that"
        if end == len(data) and not re.fullmatch(QUOTED + rb".*", text, re.DOTALL):
            raise DataError(f"{where} is never closed; {_way_out(dialect)}")
        if lines > 1 and not dialect.given:
            raise DataError(f"{where} goes on for {lines} lines and behind the closing mark; {_way_out(dialect)}")
    if not odd:
        return []
    count, first = len(odd), content.line_at(odd[0][0])
    return [
        f"{content.path}: {count} cells go on behind their closing quotation mark (the first in line {first}); it is dropped"
    ]


def _odd_cells(data: memoryview, delimiter: bytes) -> Iterator[tuple[int, int]]:
    """Start and end of each cell that starts with a quotation mark and is not a well-formed quoted cell (RFC 4180)."""
    plain = rb'[^"' + re.escape(delimiter) + rb"\r\n]"
    behind = rb"[^" + re.escape(delimiter) + rb"\r\n]*+"
    fine = re.compile(rb"(?:(?:" + QUOTED + rb"|" + plain + behind + rb")?+(?:[" + re.escape(delimiter) + rb"\r\n]|\Z))*+")
    odd = re.compile(QUOTED + behind)
    place = 0
    while well_formed := fine.match(data, place):  # it also matches nothing
        place = well_formed.end()
        if place == len(data):
            return
        found = odd.match(data, place)
        end = found.end() if found else len(data)
        yield place, end
        place = end


def check_lines(content: Content, dialect: Dialect, names: Sequence[str], table: pa.Table) -> list[str]:
    """Notes about texts of many lines, and about cells that are quoted although the file does not quote.

    table: the columns that were read; names: all columns of the file. Raises DataError where a cell holds rows of
    the file, unless `data.quoting` is given.
    """
    if table.num_rows == 0:
        return []
    if not dialect.quoting:
        return _kept_marks(content, dialect, table)
    wanted = table
    line_end = content.line_end.decode()
    seen = sum(pc.sum(pc.count_substring(column, line_end)).as_py() or 0 for column in table.columns)
    lines = content.count_lines()
    others = [name for name in names if name not in table.column_names and names.count(name) == 1]
    if others and lines - dialect.header - table.num_rows > seen:  # rows may be hidden in a column that is not used
        table = read_columns(content, dialect, names, [*table.column_names, *others])
    label, labels = _labels(wanted) if seen or table is not wanted else ("", set())
    longest = (1, 0)
    for column in table.columns if labels else ():
        for index, text in _with_line_breaks(column):
            parts = LINE_BREAK.split(text)
            hidden = sum(_is_row(part, dialect.delimiter, names, label, labels) for part in parts)
            longest = max(longest, (len(parts), index))
            if hidden >= SURE and not dialect.given:
                number = row_number(content, index, dialect)
                raise DataError(
                    f"{content.path}, row {number}: a quotation mark opens a cell of {len(parts)} lines, {hidden} of which "
                    f"look like rows of their own; if they are lines of one text, set {dialect.says(True)}; if the mark "
                    f"swallows rows, {_way_out(dialect)}"
                )
    notes = _marks_behind_spaces(content, wanted)
    if longest[0] <= MANY_LINES and lines < 2 * table.num_rows + MANY_LINES:
        return notes
    number = row_number(content, longest[1], dialect)
    return [
        *notes,
        f"{content.path}: {table.num_rows} rows in {lines} lines; the longest text has {longest[0]} lines (row {number}). "
        f"If a quotation mark swallows rows, {_way_out(dialect)}",
    ]


def _labels(table: pa.Table) -> tuple[str, set[str]]:
    """The column with the fewest different values, and these: the best sign of a row of the file."""
    values = {name: pc.unique(table.column(name)) for name in table.column_names}
    label = min(values, key=lambda name: len(values[name]))
    return label, set(values[label][:MAX_LABELS].to_pylist())


def _is_row(line: str, delimiter: str, names: Sequence[str], label: str, labels: set[str]) -> bool:
    cells = line.split(delimiter)
    return len(cells) == len(names) and cells[names.index(label)] in labels


def _with_line_breaks(column: pa.ChunkedArray) -> Iterator[tuple[int, str]]:
    broken = pc.match_substring_regex(column, "[\r\n]")
    rows = pc.indices_nonzero(pc.fill_null(broken, False))
    for row in rows:
        yield row.as_py(), column[row.as_py()].as_py()


def _marks_behind_spaces(content: Content, table: pa.Table) -> list[str]:
    counts = {
        name: pc.sum(pc.match_substring_regex(table.column(name), r'(?s)^ +".*"$')).as_py() for name in table.column_names
    }
    return [
        f"{content.path}: {count} of {table.num_rows} cells of column {name!r} are in quotation marks behind a space, which "
        "are kept; if they quote the cells, remove the spaces between delimiter and mark"
        for name, count in counts.items()
        if count
    ]


def _kept_marks(content: Content, dialect: Dialect, table: pa.Table) -> list[str]:
    notes = []
    for name in table.column_names:
        quoted = pc.match_substring_regex(table.column(name), r'(?s)^"([^"]|"")*"$')
        count = pc.sum(quoted).as_py() or 0
        if count:
            notes.append(
                f"{content.path}: {count} of {table.num_rows} cells of column {name!r} begin and end with a quotation mark, "
                f"which is kept; if the file quotes its cells, set {dialect.says(True)}"
            )
    return notes
