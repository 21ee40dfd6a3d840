"""Excel workbooks (.xlsx): the first sheet that is not hidden, each cell as the text that it shows."""

import datetime
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipeline.data.file_table import FileTable
from pipeline.data.formats import Format
from pipeline.data.header import require_names
from pipeline.data.label_lists import Place
from pipeline.errors import DataError

if TYPE_CHECKING:
    from openpyxl import Workbook

Row = tuple[int, list[str | None]]  # its number in the sheet, its cells
SAMPLE_ROWS = 200
CHANGED = {bool: "true or false", float: "fractions", datetime.datetime: "dates", datetime.date: "dates"}


def read(path: Path, wanted: Mapping[str, str], form: Format) -> FileTable:
    """The wanted columns as `large_string`; blank rows are left out, empty cells and errors such as #N/A are null.

    Raises DataError if openpyxl is missing, the file is no workbook, or a column is missing.
    """
    book = _open(path)
    try:
        sheets = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"] or book.worksheets
        if not sheets:
            raise DataError(f"{path}: has no sheet with cells")
        sheet, others = sheets[0], len(book.worksheets) - 1
        sheet.reset_dimensions()  # what some programs write there is wrong
        kinds: Counter[tuple[int, str]] = Counter()
        rows = [row for row in _rows(sheet, kinds) if any(cell is not None for cell in row[1])]
    finally:
        book.close()
    where = f"{path}, sheet {sheet.title!r}" if others else str(path)
    width = max((len(cells) for _, cells in rows), default=0)
    first = [cell or "" for cell in rows[0][1]] if rows else []
    names = [*first, *[""] * (width - len(first))] if form.header else [str(number + 1) for number in range(width)]
    require_names(where, names, wanted, form, [[cell or "" for cell in cells] for _, cells in rows[:SAMPLE_ROWS]])
    records = rows[form.header :]
    table = pa.table({name: _column(records, names.index(name)) for name in wanted})
    notes = _notes(where, names, wanted, kinds, others)
    header = "with a header" if form.header else "without a header"
    found = f"{len(records)} rows; Excel, sheet {sheet.title!r}, {header}"
    return FileTable(table, tuple(names), _place(where, [number for number, _ in records]), notes, (found,))


def _open(path: Path) -> "Workbook":
    try:
        import openpyxl
    except ImportError as error:
        raise DataError(
            f"{path}: .xlsx needs openpyxl; install it with pip install '.[xlsx]', or save the sheet as CSV UTF-8"
        ) from error
    try:
        with warnings.catch_warnings(action="ignore"):
            return openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: can't be read as an Excel workbook ({error})") from error


def _rows(sheet: Any, kinds: "Counter[tuple[int, str]]") -> Iterator[Row]:
    for number, cells in enumerate(sheet.iter_rows(), 1):
        for column, cell in enumerate(cells):
            kind = CHANGED.get(type(cell.value))
            if kind and not (isinstance(cell.value, float) and cell.value.is_integer()):
                kinds[column, kind] += 1
        yield number, [_shown(cell) for cell in cells]


def _shown(cell: Any) -> str | None:
    value = cell.value
    if value is None or cell.data_type == "e":
        return None
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return value.isoformat() if isinstance(value, datetime.date | datetime.time) else str(value)


def _notes(
    where: str, names: list[str], wanted: Mapping[str, str], kinds: "Counter[tuple[int, str]]", others: int
) -> tuple[str, ...]:
    sheets = f"{where}: only this sheet is read; {others} more are not; to read another, move it to the front"
    changed = (
        f"{where}: {count} cells of column {names[column]!r} are {kind} in Excel; they are read as text"
        for (column, kind), count in sorted(kinds.items())
        if column < len(names) and names[column] in wanted
    )
    return (*[sheets] * bool(others), *changed)


def _column(records: list[Row], index: int) -> pa.Array:
    return pa.array([cells[index] if index < len(cells) else None for _, cells in records], pa.large_string())


def _place(where: str, numbers: list[int]) -> Place:
    return lambda index: f"{where}, row {numbers[index]}"
