"""How a CSV, TSV or the like is written: delimiter, quotation marks, header; said by the user, or detected."""

import csv
import io
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.data.content import Content
from pipeline.data.file_table import SAMPLE_ROWS
from pipeline.data.formats import DELIMITERS, NAMES, Format, suffix_of
from pipeline.data.header import require_names
from pipeline.errors import DataError

MAX_CELL = 2**31 - 1
SAMPLE_CHARACTERS = 2**18
csv.field_size_limit(MAX_CELL)  # else the module raises an error at a cell of more than 131,072 characters


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

    @property
    def header(self) -> bool:
        """Whether the first row has the names of the columns."""
        return self.form.header

    def says(self, quoting: bool) -> str:
        """How the user says whether cells are quoted."""
        return self.form.says("quoting", quoting)

    def told(self) -> str:
        """What was detected or said, for people."""
        cells = "quotation marks quote cells" if self.quoting else "quotation marks are characters"
        names = "with a header" if self.header else "without a header"
        return f"separated by {NAMES.get(self.delimiter, repr(self.delimiter))}, {names}, {cells}"


def cells_of(content: Content, delimiter: str, quoting: bool) -> Iterator[list[str]]:
    """The rows as cells, blank lines as empty lists."""
    with content.text() as file:
        yield from _reader(file, delimiter, quoting)


def _reader(file: Iterable[str], delimiter: str, quoting: bool) -> Iterator[list[str]]:
    return csv.reader(file, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quoting else csv.QUOTE_NONE)


def detect(content: Content, form: Format, wanted: Mapping[str, str]) -> tuple[Content, Dialect]:
    """The content without Excel's line `sep=`, and its dialect; what the user said is taken as it is.

    wanted: the columns, each with the setting that names it; the delimiter that finds them in the header is the right one.
    Raises DataError where several delimiters, or none, would do.
    """
    separator = re.match(rb'"?sep=([^"\r\n])"?[ \t]*(\r\n|\r|\n)', memoryview(content.data)[:20])
    if separator:
        content = content.behind(separator.end(), 1)
    named = separator[1].decode(errors="replace") if separator else None
    delimiter = form.mark or named or _delimiter(content, form, wanted)
    return content, Dialect(delimiter, _quoting(content, delimiter, form), form)


def sample(content: Content, delimiter: str, quoting: bool) -> list[list[str]]:
    """The first rows that are not blank; the last one is left out where it may be cut."""
    head = content.data.slice(0, min(SAMPLE_CHARACTERS, content.data.size))
    try:
        text = bytes(head).decode(errors="ignore")
        file = io.StringIO(text, newline="")
        rows = list(itertools.islice(filter(None, _reader(file, delimiter, quoting)), SAMPLE_ROWS))
    except csv.Error:  # a carriage return inside of a line
        return []
    cut = head.size < content.data.size and len(rows) < SAMPLE_ROWS
    return rows[:-1] if cut and len(rows) > 1 else rows


def _delimiter(content: Content, form: Format, wanted: Mapping[str, str]) -> str:
    usual = DELIMITERS.get(suffix_of(content.path))
    heads = {mark: (sample(content, mark, True) or [[]])[0] for mark in NAMES} if form.header else {}
    if heads and all(len(names) < 2 for names in heads.values()):  # a single column
        return usual or "\t"
    fitting = [mark for mark, names in heads.items() if set(wanted) <= {name.strip() for name in names}]
    fitting = fitting or [mark for mark in NAMES if _is_even(content, mark, form)]
    if len(fitting) == 1:
        return fitting[0]
    if form.header and usual is not None and usual in fitting:  # it does not have the wanted columns, which is told next
        return usual
    if fitting:
        shown = " and ".join(NAMES[mark] for mark in fitting)
        raise DataError(f"{content.path}: {shown} would each separate its cells; set {_ways(form, fitting)}")
    if usual is None and any(len(row) > 1 for mark in NAMES for row in sample(content, mark, mark != "\t")):
        raise DataError(f"{content.path}: can't tell what separates its cells; set {_ways(form, NAMES)}")
    return usual or "\t"


def _ways(form: Format, marks: Sequence[str] | Mapping[str, str]) -> str:
    first, *others = (NAMES[mark] for mark in marks)
    return f"{form.says('delimiter', first)} or {', '.join(others)}"


def _is_even(content: Content, delimiter: str, form: Format) -> bool:
    """Whether it separates each of the first rows into equally many cells, and into more than one."""
    ways = (True, False) if form.quoting is None else (form.quoting,)
    sizes = [{len(row) for row in sample(content, delimiter, quoting)} for quoting in ways]
    return any(len(size) == 1 and size != {1} for size in sizes)


def _quoting(content: Content, delimiter: str, form: Format) -> bool:
    """Whether cells are quoted: where commas and the like separate them, yes; where tabs do, only if all marks look so."""
    if form.quoting is not None:
        return form.quoting
    if delimiter != "\t":
        return True
    rows = sample(content, delimiter, False)
    if form.header and rows and all(len(cell) > 1 and cell[0] == cell[-1] == '"' for cell in rows[0]):
        return True
    data = memoryview(content.data)
    first, last = rb'"(?:(?<=[\t\r\n]")|(?<=\A"))', rb"(?=[\t\r\n]|\Z)"
    if re.search(first + rb'(?!(?:[^"\t\r\n]++|"")*+"' + last + rb")", data):  # one that opens a cell and does not close it
        return False
    if re.search(first + rb'(?:[^"\t\r\n]++|"")*?""(?:[^"\t\r\n]++|"")*?"' + last, data):  # doubled inside of a cell
        return True
    columns = zip(*rows[form.header :], strict=False)
    return any(all(cell.startswith('"') for cell in column) for column in columns)


def require_header(content: Content, dialect: Dialect, names: Sequence[str], wanted: Mapping[str, str]) -> None:
    """Raises what `require_names` raises, and where the header is quoted though quotation marks are characters.

    Also where nothing that is detected separates its cells.
    """
    missing = [column for column in wanted if column not in names]
    if any(f'"{column}"' in names for column in missing):
        raise DataError(
            f"{content.path}: its header is quoted, but quotation marks are read as characters; set {dialect.says(True)}"
        )
    if missing and len(names) == 1 and dialect.form.mark is None:
        raise DataError(
            f"{content.path}: no column {missing[0]!r}: it has a single column ({names[0][:60]!r}); if something else "
            f"separates its cells, set {dialect.form.says('delimiter', '...')}"
        )
    rows = sample(content, dialect.delimiter, dialect.quoting) if missing else []
    require_names(content.path, names, wanted, dialect.form, rows)
