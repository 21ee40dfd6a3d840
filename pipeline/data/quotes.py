"""What quotation marks hide in a CSV or TSV file: a stray one swallows all rows up to the next one.

Such a file is a DataError where that is sure, and a note where it may be so. `data.quoting` says how the file is meant:
what is given is not doubted, only told.
"""

import mmap
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data.delimited import Dialect, read_columns, row_number
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


def check_marks(path: Path, dialect: Dialect) -> list[str]:
    """Notes about cells that go on behind their closing quotation mark.

    Raises DataError for a mark that is never closed, and, unless `data.quoting` is given, for a cell of that kind that
    has several lines.
    """
    if not dialect.quoting or path.stat().st_size == 0:
        return []
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        odd = list(_odd_cells(content, dialect.delimiter.encode()))
        for start, end in odd:
            text = content[start:end]
            lines = len(LINE_BREAK.split(text.decode("utf-8", errors="replace").rstrip()))
            where = f"{path}, line {_line(content, start)}: a quotation mark opens a cell that"
            if end == len(content) and not re.fullmatch(QUOTED + rb".*", text, re.DOTALL):
                raise DataError(f"{where} is never closed; {_way_out(dialect)}")
            if lines > 1 and not dialect.given:
                raise DataError(f"{where} goes on for {lines} lines and behind the closing mark; {_way_out(dialect)}")
        if not odd:
            return []
        first = _line(content, odd[0][0])
    return [f"{path}: {len(odd)} cells go on behind their closing quotation mark (the first in line {first}); it is dropped"]


def _odd_cells(content: mmap.mmap, delimiter: bytes) -> Iterator[tuple[int, int]]:
    """Start and end of each cell that starts with a quotation mark and is not a well-formed quoted cell (RFC 4180)."""
    plain = rb'[^"' + re.escape(delimiter) + rb"\r\n]"
    behind = rb"[^" + re.escape(delimiter) + rb"\r\n]*+"
    fine = re.compile(rb"(?:(?:" + QUOTED + rb"|" + plain + behind + rb")?+(?:[" + re.escape(delimiter) + rb"\r\n]|\Z))*+")
    odd = re.compile(QUOTED + behind)
    place = 3 if content[:3] == b"\xef\xbb\xbf" else 0
    while well_formed := fine.match(content, place):  # it also matches nothing
        place = well_formed.end()
        if place == len(content):
            return
        found = odd.match(content, place)
        end = found.end() if found else len(content)
        yield place, end
        place = end


def _line(content: mmap.mmap, place: int) -> int:
    """The number of the line, from 1, in which a byte lies."""
    before = content[:place]
    return 1 + (before.count(b"\n") or before.count(b"\r"))


def check_lines(path: Path, dialect: Dialect, names: Sequence[str], table: pa.Table) -> list[str]:
    """Notes about texts of many lines, and about cells that are quoted although the file does not quote.

    table: the columns that were read, binary; names: all columns of the file. Raises DataError where a cell holds rows of
    the file, unless `data.quoting` is given.
    """
    if table.num_rows == 0:
        return []
    if not dialect.quoting:
        return _kept_marks(path, dialect, table)
    wanted = table
    seen = sum(_count_line_breaks(column) for column in table.columns)
    lines = _lines_of(path)
    others = [name for name in names if name not in table.column_names and names.count(name) == 1]
    if others and lines - 1 - table.num_rows > seen:  # rows may be hidden in a column that is not used
        table = read_columns(path, dialect, [*table.column_names, *others])
    label, labels = _labels(wanted)
    longest = (1, 0)
    for column in table.columns if seen or others else ():
        for index, text in _with_line_breaks(column):
            parts = LINE_BREAK.split(text.decode("utf-8", errors="replace"))
            hidden = sum(_is_row(part, dialect.delimiter, names, label, labels) for part in parts)
            longest = max(longest, (len(parts), index))
            if hidden >= SURE and not dialect.given:
                number = row_number(path, index, dialect)
                raise DataError(
                    f"{path}, row {number}: a quotation mark opens a cell of {len(parts)} lines, {hidden} of which look "
                    f"like rows of their own; if they are lines of one text, set {dialect.says(True)}; if the mark "
                    f"swallows rows, {_way_out(dialect)}"
                )
    if longest[0] <= MANY_LINES and lines < 2 * table.num_rows + MANY_LINES:
        return []
    number = row_number(path, longest[1], dialect)
    return [
        f"{path}: {table.num_rows} rows in {lines} lines; the longest text has {longest[0]} lines (row {number}). If a "
        f"quotation mark swallows rows, {_way_out(dialect)}"
    ]


def _labels(table: pa.Table) -> tuple[str, set[bytes]]:
    """The column with the fewest different values, and these: the best sign of a row of the file."""
    values = {name: pc.unique(table.column(name)) for name in table.column_names}
    label = min(values, key=lambda name: len(values[name]))
    return label, set(values[label][:MAX_LABELS].to_pylist())


def _is_row(line: str, delimiter: str, names: Sequence[str], label: str, labels: set[bytes]) -> bool:
    cells = line.split(delimiter)
    return len(cells) == len(names) and cells[names.index(label)].encode() in labels


def _with_line_breaks(column: pa.ChunkedArray) -> Iterator[tuple[int, bytes]]:
    broken = pc.match_substring_regex(column, "[\r\n]")
    rows = pc.indices_nonzero(pc.fill_null(broken, False))
    for row in rows:
        yield row.as_py(), column[row.as_py()].as_py()


def _count_line_breaks(column: pa.ChunkedArray) -> int:
    count: int | None = pc.sum(pc.count_substring(column, "\n")).as_py()
    return count or 0


def _lines_of(path: Path) -> int:
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(2**20), b""))


def _kept_marks(path: Path, dialect: Dialect, table: pa.Table) -> list[str]:
    notes = []
    for name in table.column_names:
        quoted = pc.match_substring_regex(table.column(name), r'(?s)^"([^"]|"")*"$')
        count = pc.sum(quoted).as_py() or 0
        if count:
            notes.append(
                f"{path}: {count} of {table.num_rows} cells of column {name!r} begin and end with a quotation mark, which "
                f"is kept; if the file quotes its cells, set {dialect.says(True)}"
            )
    return notes
