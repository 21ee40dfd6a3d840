"""The kinds of file that are read, by their suffixes, and what a user may say about a file. Importing this is cheap."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import DataError

DELIMITERS: dict[str, str | None] = {".csv": ",", ".tsv": "\t", ".txt": None}  # what usually separates its cells
JSON_LINES = {".jsonl", ".ndjson"}
JSON = {*JSON_LINES, ".json"}
PARQUET = {".parquet", ".pq"}
EXCEL = {".xlsx"}
TABLES = {*DELIMITERS, *JSON, *PARQUET, *EXCEL}
KNOWN = ".csv, .tsv, .txt, .jsonl, .json (each also as .gz), .parquet or .xlsx"
NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}  # of the delimiters that are detected


def suffix_of(path: Path) -> str:
    """The suffix that tells the kind of a file, in small letters: that before .gz."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    return next((suffix for suffix in reversed(suffixes) if suffix != ".gz"), "")


@dataclass(frozen=True)
class Format:
    """What the user says about how files are written; None: it is detected. `conf/data/files.yaml` explains the settings."""

    delimiter: str | None = None  # of cells: one character, or a name of `NAMES`
    quoting: bool | None = None  # whether a quotation mark at the start of a cell quotes it
    encoding: str | None = None  # of a file without a byte order mark, if it is not UTF-8
    header: bool = True  # whether the first row has the names of the columns; else they are "1", "2", ...
    prefix: str = "data."  # of the settings, in messages: "data." or "--"

    def says(self, name: str, value: object) -> str:
        """How the user says it: "data.quoting=true" or "--quoting true"."""
        shown = str(value).lower() if isinstance(value, bool) else value
        return f"{self.prefix}{name}={shown}" if self.prefix.endswith(".") else f"{self.prefix}{name} {shown}"

    @property
    def mark(self) -> str | None:
        """The delimiter as a character. Raises DataError if it is none."""
        by_name = {name: mark for mark, name in NAMES.items()} | {r"\t": "\t"}
        mark = self.delimiter if self.delimiter is None else by_name.get(self.delimiter, self.delimiter)
        if mark is not None and (len(mark) != 1 or not mark.isascii() or mark in '"\r\n'):
            raise DataError(f"{self.says('delimiter', self.delimiter)}: must be one character, or {', '.join(by_name)}")
        return mark
