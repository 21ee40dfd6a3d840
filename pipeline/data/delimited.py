"""CSV, TSV and the like: names, rows and columns. `dialect.py` tells how they are written, `quotes.py` what marks hide."""

import itertools
import re
from collections.abc import Iterator, Sequence

import pyarrow as pa

from pipeline.data.content import Content
from pipeline.data.dialect import MAX_CELL, Dialect, cells_of
from pipeline.errors import DataError

BLOCK_BYTES = 2**24  # bytes read at once; a file with a longer row is read as one block
MAX_SHOWN = 300  # characters of Arrow's messages, which contain the row


def rows(content: Content, dialect: Dialect) -> Iterator[list[str]]:
    """The rows as cells, the header too, blank lines as empty lists."""
    return cells_of(content, dialect.delimiter, dialect.quoting)


def names_of(content: Content, dialect: Dialect) -> list[str]:
    """The cells of the first row that is not blank; without a header the numbers of the columns: "1", "2", ...

    Spaces around names are no part of them.
    """
    first: list[str] = next((row for row in rows(content, dialect) if row), [])
    return [name.strip() for name in first] if dialect.header else [str(number + 1) for number in range(len(first))]


def row_number(content: Content, index: int, dialect: Dialect) -> int:
    """The number, as in a spreadsheet, of the record with this index from 0: the header and blank lines count."""
    filled = (number for number, row in enumerate(rows(content, dialect), content.skipped + 1) if row)
    return next(itertools.islice(filled, index + dialect.header, None))


def read_columns(content: Content, dialect: Dialect, names: Sequence[str], columns: Sequence[str]) -> pa.Table:
    """Columns as `large_string`, in the file's order of rows.

    names: of all columns of the file. Raises DataError where a row has too many or too few cells.
    """
    if not any(itertools.islice(filter(None, rows(content, dialect)), int(dialect.header), int(dialect.header) + 1)):
        return pa.table({name: pa.array([], pa.large_string()) for name in columns})  # Arrow takes that for an empty file
    try:
        return _read(content, dialect, names, columns, BLOCK_BYTES, threads=True)
    except pa.ArrowInvalid:  # with one thread Arrow knows the number of the row; with one block any row fits
        try:
            size = min(content.data.size + 1, MAX_CELL)
            return _read(content, dialect, names, columns, max(size, BLOCK_BYTES), threads=False)
        except pa.ArrowInvalid as error:
            raise DataError(
                f"{content.path}: can't be read as cells {dialect.told()}: {_problem(error, content, dialect)}"
            ) from error


def _problem(error: pa.ArrowInvalid, content: Content, dialect: Dialect) -> str:
    """The message of Arrow, which counts the rows that are not blank, the header too, from 1."""

    def number(found: re.Match[str]) -> str:
        return f"row {row_number(content, int(found[1]) - 1 - dialect.header, dialect)}"

    problem = re.sub(r"Row #(\d+)", number, str(error), count=1)
    shown = problem[:MAX_SHOWN] + ("..." if len(problem) > MAX_SHOWN else "")
    return shown if dialect.quoting or '"' not in problem else f"{shown}; if it quotes its cells, set {dialect.says(True)}"


def _read(
    content: Content, dialect: Dialect, names: Sequence[str], columns: Sequence[str], block_bytes: int, threads: bool
) -> pa.Table:
    import pyarrow.csv as arrow_csv

    wanted = list(dict.fromkeys(columns))
    table = arrow_csv.read_csv(
        content.reader(),
        read_options=arrow_csv.ReadOptions(block_size=block_bytes, use_threads=threads, column_names=list(names)),
        parse_options=arrow_csv.ParseOptions(
            delimiter=dialect.delimiter, quote_char='"' if dialect.quoting else False, newlines_in_values=dialect.quoting
        ),
        convert_options=arrow_csv.ConvertOptions(
            include_columns=wanted, column_types=dict.fromkeys(wanted, pa.large_string())
        ),
    )
    return table.slice(int(dialect.header))
