"""Rows that can't be used: an empty text, an empty label, a label that train lacks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data import hints, label_lists
from pipeline.data.columns import blank
from pipeline.data.raw import Changed, Parts, RawSplit, mask
from pipeline.errors import DataError, nearest
from pipeline.tasks.base import LABEL

ERROR, DROP = POLICIES = ("error", "drop")  # values of data.on_bad_rows
EMPTY_TEXT, EMPTY_LABEL, UNKNOWN = KINDS = ("an empty text", "an empty label", "a label that train lacks")


@dataclass(frozen=True)
class BadRows:
    """The bad rows of a split."""

    split: RawSplit
    of_kind: dict[str, np.ndarray]  # each bool (rows,); a row is of one kind at most
    columns: dict[str, str]  # kind -> the column to look at

    def counted(self) -> dict[str, int]:
        """How many rows there are of each kind, those without any left out."""
        counts = {kind: int(found.sum()) for kind, found in self.of_kind.items()}
        return {kind: count for kind, count in counts.items() if count}

    def first(self, kind: str, known: Sequence[str]) -> str:
        """The place of the first row of a kind; a label that is not known is named, with the nearest one that is."""
        row = int(self.of_kind[kind].argmax())
        place = self.split.place(row, self.columns[kind])
        if kind != UNKNOWN:
            return place
        label = self.split.table.column(LABEL)[row].as_py()
        if not isinstance(label, str):  # a list
            label = next(name for name in label if name not in known)
        return f"{place}: {label!r}{nearest(label, known)}"


def checked(parts: Parts, policy: str, learned: Sequence[str] = ("train",)) -> Changed:
    """Drop the bad rows, or raise DataError with their counts, the first of each kind, and the setting that drops them.

    learned: the splits whose labels are known.
    """
    empty = {name: _empty(part) for name, part in parts.items()}
    columns = [parts[name].table.column(LABEL).filter(pa.array(~_any(empty[name]))) for name in learned]
    known = pc.unique(pa.chunked_array([label_lists.flat(column) for column in columns]))
    found = {name: _with_unknown(bad, known) for name, bad in empty.items()}
    bad = {name: each for name, each in found.items() if each.counted()}
    if bad and policy == ERROR:
        raise DataError(_problem(list(bad.values()), known.to_pylist()))
    kept = {name: part.filter(~_any(bad[name])) if name in bad else part for name, part in parts.items()}
    return kept, [_told(each) for each in bad.values()]


def _empty(part: RawSplit) -> BadRows:
    texts = {name: mask(blank(part.table.column(name))) for name in part.inputs}
    without_text = np.logical_or.reduce(list(texts.values()))
    column = next((name for name, found in texts.items() if found[without_text.argmax()]), part.inputs[0])
    without_label = np.zeros_like(without_text) if part.several else mask(blank(part.table.column(LABEL))) & ~without_text
    return BadRows(part, {EMPTY_TEXT: without_text, EMPTY_LABEL: without_label}, {EMPTY_TEXT: column, EMPTY_LABEL: LABEL})


def _with_unknown(bad: BadRows, known: pa.Array) -> BadRows:
    column = bad.split.table.column(LABEL)
    unknown = np.zeros(len(column), dtype=bool)
    unknown[label_lists.rows_of_values(column)[~mask(pc.is_in(label_lists.flat(column), value_set=known))]] = True
    unknown &= ~_any(bad)
    return BadRows(bad.split, {**bad.of_kind, UNKNOWN: unknown}, {**bad.columns, UNKNOWN: LABEL})


def _any(bad: BadRows) -> np.ndarray:
    found: np.ndarray = np.logical_or.reduce(list(bad.of_kind.values()))
    return found


def _problem(bad: list[BadRows], known: Sequence[str]) -> str:
    said = []
    for kind in KINDS:
        having = [each for each in bad if kind in each.counted()]
        if not having:
            continue
        first, count = having[0].first(kind, known), sum(each.counted()[kind] for each in having)
        said.append(f"{count} with {kind} (first: {first})")
    rows = sum(sum(each.counted().values()) for each in bad)
    what = f"{rows} row{'s' * (rows > 1)} can't be used"
    unknown = any(UNKNOWN in each.counted() and not each.split.several for each in bad)
    several = "".join(f"; {hint}" for hint in (hints.of_several(known) if unknown else ()))
    return f"{what}: {', '.join(said)}; correct them, or set data.on_bad_rows={DROP} to go on without them{several}"


def _told(bad: BadRows) -> str:
    counts = bad.counted()
    kinds = ", ".join(f"{count} with {kind}" for kind, count in counts.items())
    rows = f"{sum(counts.values())} of {bad.split.table.num_rows} rows were dropped (data.on_bad_rows={DROP})"
    return f"{bad.split.where}: {rows}: {kinds}"
