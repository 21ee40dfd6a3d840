"""The texts of a CSV or TSV file without labels, to be classified."""

import logging
from pathlib import Path

from pipeline.data import delimited, quotes
from pipeline.data.delimited import Dialect
from pipeline.data.tables import strings
from pipeline.errors import DataError, nearest

log = logging.getLogger(__name__)


def texts_of(path: Path, column: str, quoting: bool | None = None) -> list[str]:
    """The texts of a column, empty ones too. A file with one column may have no header: then every row is a text.

    Raises DataError when the column is missing, or the file can't be read; warns about what may be wrong with it.
    """
    dialect = Dialect.of(path, quoting)
    try:
        names = delimited.header(path, dialect)
        if len(names) == 1:
            return _single_column(path, dialect, column)
        if column not in names:
            raise DataError(f"{path}: no column {column!r}{nearest(column, names)}; name it with --text-column")
        delimited.require(path, names, [column])
        notes = quotes.check_marks(path, dialect)
        table = delimited.read_columns(path, dialect, [column])
    except OSError as error:
        raise DataError(f"{path}: can't be read ({error.strerror})") from error
    for note in [*notes, *quotes.check_lines(path, dialect, names, column, table)]:
        log.warning("warning: %s", note)
    return [text or "" for text in strings(table.column(column), path, column, quoting).to_pylist()]


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
