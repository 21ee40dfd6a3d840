"""The kinds of table that are read, by their suffixes, and what a user may say about a file. Importing this is cheap."""

from dataclasses import dataclass

DELIMITERS = {".csv": ",", ".tsv": "\t"}
JSON_LINES = {".jsonl", ".ndjson", ".json"}
PARQUET = {".parquet", ".pq"}
TABLES = {*DELIMITERS, *JSON_LINES, *PARQUET}


@dataclass(frozen=True)
class Format:
    """What the user says of how files are written; None: it is detected."""

    quoting: bool | None = None  # whether a quotation mark at the start of a cell quotes it
    prefix: str = "data."  # of the settings, in messages: "data." or "--"

    def setting(self, name: str, value: str) -> str:
        """How the user says it: "data.quoting=true" or "--quoting true"."""
        return f"{self.prefix}{name}={value}" if self.prefix.endswith(".") else f"{self.prefix}{name} {value}"
