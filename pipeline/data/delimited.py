"""CSV and TSV files: their header, rows and columns. `quotes.py` checks what their quotation marks hide."""

import csv
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from pipeline.data.formats import DELIMITERS, Format
from pipeline.errors import DataError, nearest

OTHER_DELIMITERS = (";", "\t", ",", "|")  # of files with a wrong suffix
BLOCK_BYTES = 2**24  # bytes read at once; a file with a longer row is read as one block
MAX_BLOCK_BYTES = 2**31 - 1
MAX_SHOWN = 300  # characters of Arrow's messages, which contain the row
csv.field_size_limit(MAX_BLOCK_BYTES)  # else the module raises an error at a cell of more than 131,072 characters


@dataclass(frozen=True)
class Dialect:
    """How cells are separated, and whether a quotation mark at the start of a cell quotes it or is a character of it."""

    delimiter: str
    quoting: bool
    form: Format  # what the user said

    @property
    def given(self) -> bool:
        """Whether the user said if cells are quoted; that is not doubted."""
        return self.form.quoting is not None

    def says(self, quoting: bool) -> str:
        """How the user says whether cells are quoted."""
        return self.form.setting("quoting", str(quoting).lower())

    @classmethod
    def of(cls, path: Path, form: Format) -> "Dialect":
        """By the file's suffix: CSV quotes, TSV does not, unless the user says otherwise."""
        delimiter = DELIMITERS[path.suffix.lower()]
        return cls(delimiter, delimiter == "," if form.quoting is None else form.quoting, form)


def rows(path: Path, dialect: Dialect) -> Iterator[list[str]]:
    """The rows as cells, blank lines as empty lists. What is not UTF-8 becomes U+FFFD."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        if dialect.quoting:
            yield from csv.reader(file, delimiter=dialect.delimiter)
        else:
            yield from csv.reader(file, delimiter=dialect.delimiter, quoting=csv.QUOTE_NONE)


def header(path: Path, dialect: Dialect) -> list[str]:
    """The cells of the first row that is not blank. Raises DataError if they are not UTF-8."""
    first: list[str] = next((row for row in rows(path, dialect) if row), [])
    if any("\ufffd" in cell for cell in first):
        raise DataError(f"{path}, row 1: not UTF-8; save the file as UTF-8")
    return first


def row_number(path: Path, index: int, dialect: Dialect) -> int:
    """The number, as in a spreadsheet, of the record with this index from 0: the header and blank lines count."""
    filled = (number for number, row in enumerate(rows(path, dialect), 1) if row)
    return next(itertools.islice(filled, index + 1, None))


def require_header(path: Path, dialect: Dialect, names: Sequence[str], wanted: Mapping[str, str]) -> None:
    """Raises what `require` raises, and where the header has other separators, or quotes that are read as characters."""
    missing = [column for column in wanted if column not in names]
    separator = other_delimiter(names, dialect, missing)
    if missing and separator:
        suffix = path.suffix.lower()
        raise DataError(
            f"{path}: this looks separated by {separator!r}, but {suffix} is read with {dialect.delimiter!r}; save it with "
            f"that{next((f', or name it {ending}' for ending, mark in DELIMITERS.items() if mark == separator), '')}"
        )
    if any(f'"{column}"' in names for column in missing):
        raise DataError(
            f"{path}: its header is quoted, but quotation marks are read as characters; set {dialect.says(True)}"
        )
    require(path, names, wanted)


def other_delimiter(names: Sequence[str], dialect: Dialect, columns: Sequence[str] = ()) -> str | None:
    """What separates the only cell of a header into several, one of them of `columns`; else what separates it at all."""
    others = [each for each in OTHER_DELIMITERS if each != dialect.delimiter and len(names) == 1 and each in names[0]]
    fitting = [each for each in others if {cell.strip('" ') for cell in names[0].split(each)} & {*columns}]
    return next(iter([*fitting, *others]), None)


def require(path: Path, known: Sequence[str], wanted: Mapping[str, str]) -> None:
    """Raises DataError unless the file has each of the columns exactly once; `wanted` has the setting of each."""
    for column, setting in wanted.items():
        if column not in known:
            raise DataError(f"{path}: no column {column!r}{nearest(column, known)}; name yours with {setting}")
        if known.count(column) > 1:
            raise DataError(f"{path}: {known.count(column)} columns are called {column!r}; rename all but one")


def read_columns(path: Path, dialect: Dialect, columns: Iterable[str]) -> pa.Table:
    """Columns as `large_binary`, in the file's order. Raises DataError where a row has too many or too few cells."""
    if not any(itertools.islice(filter(None, rows(path, dialect)), 1, 2)):  # Arrow takes a header alone for an empty file
        return pa.table({name: pa.array([], pa.large_binary()) for name in columns})
    try:
        return _read(path, dialect, columns, BLOCK_BYTES, threads=True)
    except pa.ArrowInvalid:  # with one thread Arrow knows the number of the row; with one block any row fits
        try:
            size = min(path.stat().st_size + 1, MAX_BLOCK_BYTES)
            return _read(path, dialect, columns, max(size, BLOCK_BYTES), threads=False)
        except pa.ArrowInvalid as error:
            problem = str(error).replace("Row #", "row ")
            shown = problem[:MAX_SHOWN] + ("..." if len(problem) > MAX_SHOWN else "")
            way_out = f"; if it quotes its cells, set {dialect.says(True)}"
            hint = "" if dialect.quoting or '"' not in problem else way_out
            raise DataError(f"{path}: can't be read as {path.suffix[1:].lower()}: {shown}{hint}") from error


def _read(path: Path, dialect: Dialect, columns: Iterable[str], block_bytes: int, threads: bool) -> pa.Table:
    import pyarrow.csv as arrow_csv

    wanted = list(dict.fromkeys(columns))
    return arrow_csv.read_csv(
        path,
        read_options=arrow_csv.ReadOptions(block_size=block_bytes, use_threads=threads),
        parse_options=arrow_csv.ParseOptions(
            delimiter=dialect.delimiter, quote_char='"' if dialect.quoting else False, newlines_in_values=dialect.quoting
        ),
        convert_options=arrow_csv.ConvertOptions(
            include_columns=wanted, column_types=dict.fromkeys(wanted, pa.large_binary())
        ),
    )
