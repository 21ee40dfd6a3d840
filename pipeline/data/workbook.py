"""Excel workbooks (.xlsx): the first sheet that is not hidden, each cell as the text that it shows."""

import datetime
import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipeline.data.file_table import SAMPLE_ROWS, FileTable
from pipeline.data.formats import Format
from pipeline.data.header import require_names
from pipeline.data.label_lists import Place
from pipeline.errors import DataError

if TYPE_CHECKING:
    from openpyxl import Workbook

Row = tuple[int, list[str | None]]  # its number in the sheet, its cells
CHANGED = {bool: "true or false", float: "fractions", datetime.datetime: "dates", datetime.date: "dates"}
ERRORS = "errors such as #N/A"
FORMULA = re.compile(rb"<f[ />]")


def read(path: Path, wanted: Mapping[str, str], form: Format) -> FileTable:
    """The wanted columns as `large_string`; blank rows are left out, empty cells and errors such as #N/A are null.

    Raises DataError if openpyxl is missing, the file is no workbook, a column is missing, or has formulas without results.
    """
    book = _open(path)
    try:
        sheets = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"] or book.worksheets
        if not sheets:
            raise DataError(f"{path}: has no sheet with cells")
        sheet, others = sheets[0], len(book.worksheets) - 1
        sheet.reset_dimensions()  # what some programs write there is wrong
        kinds: Counter[tuple[int, str]] = Counter()
        read = list(_rows(sheet, kinds))
        rows = [row for row in read if any(cell is not None for cell in row[1])]
    finally:
        book.close()
    where = f"{path}, sheet {sheet.title!r}" if others else str(path)
    width = max((len(cells) for _, cells in rows), default=0)
    first = [(cell or "").strip() for cell in rows[0][1]] if rows else []
    names = [*first, *[""] * (width - len(first))] if form.header else [str(number + 1) for number in range(width)]
    several = f"{where} (the first of {others + 1} sheets; to read another, move it to the front)" if others else where
    require_names(several, names, wanted, form, [[cell or "" for cell in cells] for _, cells in rows[:SAMPLE_ROWS]])
    _require_results(path, where, sheet.title, read, {names.index(name): name for name in wanted})
    records = rows[form.header :]
    table = pa.table({name: _column(records, names.index(name)) for name in wanted})
    notes = _notes(where, names, wanted, kinds, others)
    header = "with a header" if form.header else "without a header"
    found = f"{len(records)} rows; Excel, sheet {sheet.title!r}, {header}"
    return FileTable(table, tuple(names), _place(where, [number for number, _ in records]), notes, (found,))


def _require_results(path: Path, where: str, title: str, read: list[Row], columns: Mapping[int, str]) -> None:
    """Raises DataError where empty cells of some columns are formulas: some programs write these without results."""
    empty = {(row, column) for row, cells in read for column in columns if column >= len(cells) or cells[column] is None}
    if not empty or not _has_formulas(path):
        return
    book = _open(path, results=False)
    try:
        sheet = enumerate(book[title].iter_rows(), 1)
        found = {(row, column) for row, cells in sheet for column, cell in enumerate(cells) if cell.data_type == "f"}
    finally:
        book.close()
    without = sorted(empty & found)
    if without:
        row, column = without[0]
        raise DataError(
            f"{where}: {len(without)} cells are formulas whose results the file does not have (first: row {row}, column "
            f"{columns[column]!r}); open it in Excel or LibreOffice and save it"
        )


def _has_formulas(path: Path) -> bool:
    with zipfile.ZipFile(path) as packed:
        sheets = (name for name in packed.namelist() if name.startswith("xl/worksheets/"))
        return any(FORMULA.search(packed.read(name)) for name in sheets)


def _open(path: Path, results: bool = True) -> "Workbook":
    try:
        import openpyxl
    except ImportError as error:
        raise DataError(
            f"{path}: .xlsx needs openpyxl; install it with pip install '.[xlsx]', or save the sheet as CSV UTF-8"
        ) from error
    try:
        with warnings.catch_warnings(action="ignore"):
            return openpyxl.load_workbook(path, read_only=True, data_only=results)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: can't be read as an Excel workbook ({error})") from error


def _rows(sheet: Any, kinds: "Counter[tuple[int, str]]") -> Iterator[Row]:
    for number, cells in enumerate(sheet.iter_rows(), 1):
        for column, cell in enumerate(cells):
            kind = ERRORS if cell.data_type == "e" else CHANGED.get(type(cell.value))
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
        f"{where}: {count} cells of column {names[column]!r} are {kind} in Excel; they are read as "
        + ("empty" if kind == ERRORS else "text")
        for (column, kind), count in sorted(kinds.items())
        if column < len(names) and names[column] in wanted
    )
    return (*[sheets] * bool(others), *changed)


def _column(records: list[Row], index: int) -> pa.Array:
    return pa.array([cells[index] if index < len(cells) else None for _, cells in records], pa.large_string())


def _place(where: str, numbers: list[int]) -> Place:
    return lambda index: f"{where}, row {numbers[index]}"
