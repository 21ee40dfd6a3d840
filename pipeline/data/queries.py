"""The texts of a file without labels, to be classified."""

import logging
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from pipeline.data import delimited, quotes, tables
from pipeline.data.delimited import Dialect
from pipeline.data.formats import DELIMITERS
from pipeline.errors import DataError
from pipeline.tasks.inputs import Input

log = logging.getLogger(__name__)
SETTINGS = ("--text-column ",)  # how the command predict names the column
PAIR_SETTINGS = ("--text-column ", "--pair-column ")


def texts_of(path: Path, column: str, quoting: bool | None = None) -> list[str]:
    """The texts of a column of any file that training reads, empty ones too.

    A CSV or TSV file with one column may have no header: then every row is a text. Raises DataError when the column is
    missing, or the file can't be read; warns about what may be wrong with it.
    """
    if path.suffix.lower() not in DELIMITERS:
        table, _, notes = tables.read_raw(path, [column], quoting, SETTINGS)
        return _texts(path, table, column, notes)
    dialect = Dialect.of(path, quoting, "--quoting ")
    try:
        names = delimited.header(path, dialect)
        if len(names) == 1 and not _is_misread(names[0], dialect, column):
            return _single_column(path, dialect, column)
        delimited.require_header(path, dialect, names, [column], SETTINGS)
        notes = quotes.check_marks(path, dialect)
        table = delimited.read_columns(path, dialect, [column])
    except OSError as error:
        raise DataError(f"{path}: can't be read ({error.strerror})") from error
    return _texts(path, table, column, [*notes, *quotes.check_lines(path, dialect, names, column, table)])


def pairs_of(path: Path, columns: Sequence[str], quoting: bool | None = None) -> list[Input]:
    """The pairs of texts in two columns of any file that training reads, empty texts too. Raises and warns as `texts_of`."""
    table, _, notes = tables.read_raw(path, columns, quoting, PAIR_SETTINGS)
    first, second = (_texts(path, table, column, notes * (column == columns[0])) for column in columns)
    return list(zip(first, second, strict=True))


def _is_misread(header: str, dialect: Dialect, column: str) -> bool:
    """Whether the only cell of a header has the column in quotes, or beside others behind another separator."""
    separator = delimited.other_delimiter([header], dialect, [column])
    cells = header.split(separator) if separator else [header]
    return header != column and column in {cell.strip('" ') for cell in cells}


def _texts(path: Path, table: pa.Table, column: str, notes: list[str]) -> list[str]:
    for note in notes:
        log.warning("warning: %s", note)
    return [text or "" for text in tables.strings(table.column(column), path, column).to_pylist()]


def _single_column(path: Path, dialect: Dialect, column: str) -> list[str]:
    """All rows but the header, if there is one; blank lines are empty texts."""
    for note in quotes.check_marks(path, dialect):
        log.warning("warning: %s", note)
    texts = [row[0] if row else "" for row in delimited.rows(path, dialect)]
    if any("\ufffd" in text for text in texts):
        raise DataError(f"{path}: not UTF-8; save the file as UTF-8")
    if texts[0] == column:
        return texts[1:]
    log.warning("warning: %s: no header %r, so its first row is answered as a text: %.60r", path, column, texts[0])
    return texts
