"""The texts of a file without labels, to be classified."""

import logging
from pathlib import Path

from pipeline.config import Names, names_of
from pipeline.data import delimited, quotes, tables
from pipeline.data.columns import joined, strings
from pipeline.data.delimited import Dialect
from pipeline.data.formats import DELIMITERS, Format
from pipeline.errors import DataError

log = logging.getLogger(__name__)


def texts_of(path: Path, column: Names, quoting: bool | None = None) -> list[str]:
    """The texts of a column of any file that training reads, or of several, joined as for training; empty ones too.

    A CSV or TSV file with one column may have no header: then every row is a text. Raises DataError when the column is
    missing, or the file can't be read; warns about what may be wrong with it.
    """
    form, columns = Format(quoting, prefix="--"), names_of(column)
    if path.suffix.lower() in DELIMITERS and path.is_file():
        dialect = Dialect.of(path, form)
        names = delimited.header(path, dialect)
        if len(names) == len(columns) == 1 and not _is_misread(names[0], dialect, columns[0]):
            return _single_column(path, dialect, columns[0])
    found = tables.read(path, dict.fromkeys(columns, "--text-column NAME"), form)
    for note in found.notes:
        log.warning("warning: %s", note)
    texts = joined(strings(found.table.column(name), name, str(path), found.place) for name in columns)
    return [text or "" for text in texts.to_pylist()]


def _is_misread(header: str, dialect: Dialect, column: str) -> bool:
    """Whether the only cell of a header has the column in quotes, or beside others behind another separator."""
    separator = delimited.other_delimiter([header], dialect, [column])
    cells = header.split(separator) if separator else [header]
    return header != column and column in {cell.strip('" ') for cell in cells}


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
