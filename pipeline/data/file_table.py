"""What was read of a file, of any kind, and the check that all kinds share."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from pipeline.data import hints
from pipeline.data.label_lists import Place
from pipeline.errors import DataError, nearest

SAMPLE_ROWS = 200  # that are looked at to tell how a file is written
TEXT_SETTING, LABEL_SETTING = "data.text_column=...", "data.label_column=..."


@dataclass(frozen=True)
class FileTable:
    """Columns of a file, or of several files with the same columns."""

    table: pa.Table  # the wanted columns under their own names, in the file's order of rows, nulls kept
    columns: tuple[str, ...]  # the names of all columns of the file
    place: Place  # names a row for people
    notes: tuple[str, ...] = ()  # sentences about what may be wrong with it
    found: tuple[str, ...] = ()  # a line for each file: what was detected


def require(where: object, known: Sequence[str], wanted: Mapping[str, str], rows: Iterable[Sequence[object]] = ()) -> None:
    """Raises DataError unless a file has each of the columns exactly once.

    where: names the file; known: all its columns; wanted: the columns, each with the setting that names it; rows: the cells
    of the first rows, from which a message may tell what the columns are.
    """
    for column, setting in wanted.items():
        if column not in known:
            hint = hints.of_pair(known) if setting == TEXT_SETTING else ""
            hint = hints.of_indicators(known, list(rows)) if setting == LABEL_SETTING else hint
            way_out = f"name yours with {setting}" + (f"; {hint}" if hint else "")
            raise DataError(f"{where}: no column {column!r}{nearest(column, filter(None, known))}; {way_out}")
        if known.count(column) > 1:
            raise DataError(f"{where}: {known.count(column)} columns are called {column!r}; rename all but one")
