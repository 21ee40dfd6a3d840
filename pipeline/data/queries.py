"""The texts of a file without labels, to be classified."""

import logging
from collections.abc import Iterator
from pathlib import Path

from pipeline.config import Names, names_of
from pipeline.data import delimited, quotes, tables
from pipeline.data.columns import joined, strings
from pipeline.data.content import Content, load
from pipeline.data.dialect import Dialect, detect, sample
from pipeline.data.formats import DELIMITERS, TABLES, Format, suffix_of
from pipeline.errors import DataError
from pipeline.tasks.inputs import Input

log = logging.getLogger(__name__)
DETECTED = Format(prefix="--")


def is_table(path: Path, column: Names, form: Format, given: bool) -> bool:
    """Whether a file is read as a table, not as one text a line.

    A .txt is a table if the user has said anything about it as a table (`given`), or if its header has the column, or the
    columns, beside others. Raises DataError for a .txt that can't be read.
    """
    suffix, columns = suffix_of(path), names_of(column)
    if suffix != ".txt" or given or not path.is_file():
        return suffix in TABLES and (suffix != ".txt" or given)
    content = load(path, form)
    try:
        content, dialect = detect(content, form, dict.fromkeys(columns, ""))
    except DataError:  # nothing, or several marks, would separate cells: plain text
        return False
    rows = sample(content, dialect.delimiter, dialect.quoting)
    return (
        bool(rows)
        and len(rows[0]) > 1
        and {*columns} <= {name.strip() for name in rows[0]}
        and {len(row) for row in rows} == {len(rows[0])}
    )


def texts_of(path: Path, column: Names, form: Format = DETECTED) -> list[str]:
    """The texts of a column of any file that training reads, or of several, joined as for training; empty ones too.

    A file of cells with one column may have no header: then every row is a text. Raises DataError when the column is
    missing, or the file can't be read; warns about what may be wrong with it.
    """
    columns = names_of(column)
    wanted = dict.fromkeys(columns, "--text-column NAME")
    if suffix_of(path) in DELIMITERS and path.is_file():
        content, dialect = detect(load(path, form), form, wanted)
        names = delimited.names_of(content, dialect)
        if len(names) == len(columns) == 1 and names[0] != f'"{columns[0]}"':
            return _single_column(content, dialect, columns[0])
    found = tables.read(path, wanted, form)
    for line in found.found:
        log.info("%s", line)
    _warn(found.notes)
    texts = joined(strings(found.table.column(name), name, str(path), found.place) for name in columns)
    return [text or "" for text in texts.to_pylist()]


def pairs_of(path: Path, first: Names, second: str, form: Format = DETECTED) -> list[Input]:
    """The pairs of texts of two columns, the first may be several; empty texts too. Raises and warns as `texts_of`."""
    columns = names_of(first)
    found = tables.read(path, {**dict.fromkeys(columns, "--text-column NAME"), second: "--pair-column NAME"}, form)
    for line in found.found:
        log.info("%s", line)
    _warn(found.notes)
    sides = [
        joined(strings(found.table.column(name), name, str(path), found.place) for name in own)
        for own in (columns, (second,))
    ]
    return [(one or "", other or "") for one, other in zip(*(side.to_pylist() for side in sides), strict=True)]


def lines_of(path: Path, form: Format) -> Iterator[str]:
    """One text a line, empty lines too, so that answers match lines. Raises DataError if the file can't be read."""
    content = load(path, form)
    _warn(content.notes)
    end = content.line_end.decode()
    with content.text() as file:
        file.reconfigure(newline=end)
        for line in file:
            yield line.rstrip("\r\n")


def _warn(notes: tuple[str, ...]) -> None:
    for note in notes:
        log.warning("warning: %s", note)


def _single_column(content: Content, dialect: Dialect, column: str) -> list[str]:
    """All rows but the header, if there is one; blank lines are empty texts, and what would separate cells is kept."""
    _warn((*content.notes, *quotes.check_marks(content, dialect)))
    texts = [dialect.delimiter.join(row) for row in delimited.rows(content, dialect)]
    if not dialect.header:
        return texts
    if texts[0].strip() == column:
        return texts[1:]
    log.warning("warning: %s: no header %r, so its first row is answered as a text: %.60r", content.path, column, texts[0])
    return texts
