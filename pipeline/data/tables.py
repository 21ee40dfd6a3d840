"""Files of the user -> an Arrow table of the columns that are wanted, in the types that the files give them.

Not here: their conversion to strings (`columns.py`), checks of the values (`splits.py`). Every problem is a DataError that
names the file and, if known, the row (as in a spreadsheet: the header of a CSV is row 1) and the column.
"""

import bisect
import glob
import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from pipeline.data import content, delimited, json_records, parquet, quotes, workbook
from pipeline.data.dialect import detect, require_header
from pipeline.data.file_table import FileTable
from pipeline.data.formats import DELIMITERS, EXCEL, JSON, KNOWN, PARQUET, Format, suffix_of
from pipeline.data.label_lists import Place
from pipeline.errors import DataError

SHOWN = 6  # names of columns


def read(path: Path, wanted: Mapping[str, str], form: Format) -> FileTable:
    """Read columns of a file, or of all files that a pattern such as `parts/*.csv` means, in the order of their names.

    wanted: the names of columns, each with the setting that names it (for messages). Raises DataError when a file is
    missing or not of its format, a column is missing, or the files have different columns.
    """
    files = files_of(path)
    return _joined(path, files, [_read_one(file, wanted, form) for file in files], wanted)


def files_of(path: Path) -> list[Path]:
    """The file, or the files that match a pattern, sorted. Raises DataError if there is none."""
    if not path.exists() and glob.has_magic(str(path)):
        found = sorted(file for file in Path(path.anchor).glob(str(path.relative_to(path.anchor))) if file.is_file())
        if not found:
            raise DataError(f"{path}: no file matches this pattern")
        return found
    if not path.is_file():
        raise DataError(f"{path}: {'is a directory, not a file' if path.is_dir() else 'no such file'}")
    return [path]


def _read_one(path: Path, wanted: Mapping[str, str], form: Format) -> FileTable:
    suffix = suffix_of(path)
    if suffix in DELIMITERS:
        return read_delimited(_filled(content.load(path, form)), wanted, form)
    if suffix in JSON:
        return json_records.read(_filled(content.load(path, form)), wanted)
    if suffix in PARQUET:
        return parquet.read(path, wanted)
    if suffix in EXCEL:
        return workbook.read(path, wanted, form)
    raise DataError(f"{path}: unknown type of file; use {KNOWN}")


def _filled(text: content.Content) -> content.Content:
    if not re.search(rb"\S", memoryview(text.data)):
        raise DataError(f"{text.path}: the file is empty")
    return text


def read_delimited(text: content.Content, wanted: Mapping[str, str], form: Format) -> FileTable:
    """The same of cells that something separates."""
    text, dialect = detect(text, form, wanted)
    names = delimited.names_of(text, dialect)
    require_header(text, dialect, names, wanted)
    notes = quotes.check_marks(text, dialect)
    table = delimited.read_columns(text, dialect, names, list(wanted))
    notes += quotes.check_lines(text, dialect, names, table)

    def place(index: int) -> str:
        return f"{text.path}, row {delimited.row_number(text, index, dialect)}"

    found = f"{table.num_rows} rows; {dialect.told()}, {text.encoding}"
    return FileTable(table, tuple(names), place, (*text.notes, *notes), (found,))


def _joined(pattern: Path, files: Sequence[Path], tables: Sequence[FileTable], wanted: Mapping[str, str]) -> FileTable:
    unused = _unused(tables[0].columns, wanted)
    found = tuple(f"{file}: {line}{unused}" for file, table in zip(files, tables, strict=True) for line in table.found)
    first = tables[0]
    for file, table in zip(files, tables, strict=True):
        if sorted(table.columns) != sorted(first.columns):
            others = sorted({*table.columns} ^ {*first.columns}) or sorted(table.columns)
            shown = ", ".join(map(repr, others[:SHOWN]))
            raise DataError(f"{file}: its columns are not those of {files[0]} (not in both: {shown})")
    try:
        table = pa.concat_tables([table.table for table in tables], promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DataError(f"{pattern}: a column is not of the same type in all files: {error}") from error
    notes = tuple(note for table in tables for note in table.notes)
    return FileTable(table, first.columns, _place_in(tables), notes, found)


def _unused(columns: Sequence[str], wanted: Mapping[str, str]) -> str:
    names = [name for name in columns if name and name not in wanted]
    shown = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
    return f"; not used: {shown}" if names else ""


def _place_in(tables: Sequence[FileTable]) -> Place:
    """The place of a row of joined tables: that in its file."""
    ends = list(itertools.accumulate(table.table.num_rows for table in tables))

    def place(index: int) -> str:
        part = bisect.bisect_right(ends, index)
        return tables[part].place(index - (ends[part - 1] if part else 0))

    return place
