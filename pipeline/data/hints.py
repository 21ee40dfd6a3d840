"""Sentences about data that looks as if it were meant for another task, or spelled in two ways."""

import re
import shlex
from collections import Counter
from collections.abc import Sequence

PAIRS = (
    ("premise", "hypothesis"), ("question", "answer"), ("question", "sentence"), ("question", "passage"),
    ("question", "context"), ("query", "document"), ("query", "passage"), ("text", "text_pair"), ("context", "response"),
)  # fmt: skip
SEPARATORS = ("|", ";", ",", "+")
INDICATED = {"1", "1.0", "true"}
INDICATORS = INDICATED | {"0", "0.0", "false"}
SHOWN = 4
MANY_LABELS = 0.5  # of the rows: that many different labels are not labels


def of_columns(columns: Sequence[str], text_columns: Sequence[str]) -> list[str]:
    """That the text has a second part in another column, and how to use it; nothing where several are used already."""
    if len(text_columns) > 1:
        return []
    text_column = text_columns[0]
    return [
        f"the column {other!r} beside {text_column!r} looks like the second text of a pair; only {text_column!r} is used: "
        f"for pairs set data.pair_column={other}"
        for other in _seconds(columns, text_column)[:1]
    ]


def of_pair(columns: Sequence[str]) -> str:
    """How to use the first two columns that look like the texts of a pair; "" where there are none, or no label beside."""
    if len([name for name in columns if name]) < 3:
        return ""
    found = next(((one, other) for one in columns for other in _seconds(columns, one)), None)
    return "" if found is None else f"for pairs set data.text_column={found[0]} data.pair_column={found[1]}"


def of_indicators(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """How to use the columns that have nothing but 0 and 1 in the first rows; "" unless there are several."""
    cells = [[str(row[place]).strip().lower() for row in rows if len(row) > place] for place in range(len(columns))]
    marks = {name: set(own) for name, own in zip(columns, cells, strict=True) if name and own and set(own) <= INDICATORS}
    if len(marks) < 2 or not any(own & INDICATED for own in marks.values()):
        return ""
    setting = f"data.label_columns=[{','.join(marks)}]"
    return f"for several labels a text, a column of 0 and 1 each, set {shlex.quote(setting) if ' ' in setting else setting}"


def _seconds(columns: Sequence[str], text_column: str) -> list[str]:
    """The columns that look like the second text of a pair whose first is in `text_column`."""
    second = {
        name
        for one, other in PAIRS
        for name in ((other,) if text_column.lower() == one else (one,) if text_column.lower() == other else ())
    }
    found = re.fullmatch(r"(.*?)([12abAB])", text_column)
    if found:
        second.add(found[1] + {"1": "2", "2": "1", "a": "b", "b": "a", "A": "B", "B": "A"}[found[2]])
    return [name for name in columns if name != text_column and (name in second or name.lower() in second)]


def of_labels(labels: Sequence[str], rows: int) -> list[str]:
    """That the labels of train look like several a text, like scores, or like free text."""
    return [*of_several(labels), *_scores(labels), *_free(labels, rows)]


def of_several(labels: Sequence[str]) -> list[str]:
    """That some look like several labels in one, with the setting that separates them."""
    bracketed = [label for label in labels if re.fullmatch(r"\[.*\]|\{.*\}|\(.*,.*\)", label)]
    if bracketed:
        way_out = "if a text has several, write them joined with |, and set data.label_separator='|'"
        return [f"{_of(bracketed, labels, 'look like lists of labels')}; {way_out}"]
    for separator in SEPARATORS:
        composed = [label for label in labels if separator in label.strip(separator)]
        parts = Counter(part.strip() for label in composed for part in label.split(separator))
        shared = sum(count > 1 or part in labels for part, count in parts.items())
        if composed and shared >= max(2, len(parts) / 2):
            told = _of(composed, labels, f"look like several labels joined with {separator!r}")
            value = f"'{separator}'" if separator in "|+" else f"\"'{separator}'\""  # Hydra and a shell read the others
            return [f"{told}; if a text has several, set data.label_separator={value}"]
    return []


def _of(found: Sequence[str], labels: Sequence[str], what: str) -> str:
    return f"{len(found)} of {len(labels)} labels {what} ({shown(found)}); each is treated as one label of its own"


def _scores(labels: Sequence[str]) -> list[str]:
    numbers = all(re.fullmatch(r"[-+]?\d+([.,]\d+)?", label) for label in labels)
    if not numbers or len(labels) < 3 or not any("." in label or "," in label for label in labels):
        return []
    return [f"the labels look like scores ({shown(labels)}); each is treated as a class, without an order"]


def _free(labels: Sequence[str], rows: int) -> list[str]:
    if len(labels) < 20 or len(labels) < MANY_LABELS * rows:
        return []
    return [f"{len(labels)} different labels in {rows} training rows; is data.label_column the right column?"]


def of_spelling(labels: Sequence[str]) -> list[str]:
    """Labels that differ only in case, in spaces inside, or as the numbers 1 and 1.0."""
    groups: dict[str, list[str]] = {}
    for label in labels:
        number = re.fullmatch(r"([-+]?\d+)\.0+", label)
        groups.setdefault(number[1] if number else " ".join(label.casefold().split()), []).append(label)
    alike = [group for group in groups.values() if len(group) > 1]
    if not alike:
        return []
    return [
        f"{shown(alike[0])} are {len(alike[0])} different labels that differ only in spelling"
        + (f" ({len(alike) - 1} more such groups)" if len(alike) > 1 else "")
    ]


def of_null(labels: Sequence[str], oos_label: str | None) -> list[str]:
    """That data.oos_label=null is no label, where the data has one of that name."""
    named = [label for label in labels if label.lower() == "null"]
    if oos_label is not None or not named:
        return []
    quoted = f"data.oos_label=\"'{named[0]}'\""
    return [f"there is a label {named[0]!r}, but data.oos_label is not set: null means no label; for that one, {quoted}"]


def shown(names: Sequence[str]) -> str:
    """The first few names, for a message."""
    return ", ".join(map(repr, names[:SHOWN])) + (", ..." if len(names) > SHOWN else "")
