"""The names of the columns: whether a file has them in its first row, and whether the wanted ones are among them."""

import re
from collections.abc import Mapping, Sequence

from pipeline.data.file_table import require
from pipeline.data.formats import Format
from pipeline.errors import DataError

LONG_NAME = 60  # characters
MANY_WORDS = 6
SHOWN = 6  # cells


def require_names(
    where: object, names: Sequence[str], wanted: Mapping[str, str], form: Format, rows: Sequence[Sequence[str]]
) -> None:
    """What `require` does for files whose header may be missing.

    names: of all columns; rows: the first rows as cells, the header too. Raises what `require` raises; where the first row
    looks like data, and where columns are to be numbers, the message has the settings.
    """
    missing = next((column for column in wanted if column not in names), None)
    settings = " ".join(dict.fromkeys(wanted.values()))
    if missing is not None and not form.header and names:
        counted = f"columns are counted from 1 to {len(names)}"
        raise DataError(f"{where}: no column {missing!r}: without a header, {counted}; set {settings}")
    if missing is not None and rows and looks_like_data(rows[0], rows[1:]):
        shown = ", ".join(f"{number}: {cell[:30]!r}" for number, cell in enumerate(rows[0][:SHOWN], 1))
        raise DataError(
            f"{where}: no column {missing!r}, and its first row looks like data, not like names ({shown}); if it has no "
            f"header, set {form.says('header', False)} {settings}, with the numbers of the columns"
        )
    require(where, names, wanted, rows[1:])


def looks_like_data(first: Sequence[str], others: Sequence[Sequence[str]]) -> bool:
    """Whether a row is not the names of columns: a cell is a number, long, or stands again in its column."""
    for column, cell in enumerate(first):
        name = cell.strip()
        below = {row[column].strip() for row in others if len(row) > column}
        number = re.fullmatch(r"[-+]?\d+([.,]\d+)?", name)
        if name and (number or name in below or len(name) > LONG_NAME or len(name.split()) >= MANY_WORDS):
            return True
    return False
