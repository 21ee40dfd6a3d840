"""What goes in: one text, or a pair of texts, such as a premise and a hypothesis or a question and an answer.

A split has the column `text`, and `text_pair` where its inputs are pairs. In JSON a pair is an object with these two keys,
as in transformers.
"""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

TEXT, TEXT_PAIR = "text", "text_pair"  # columns of a split, and keys of a pair in JSON
COLUMNS = (TEXT, TEXT_PAIR)
BETWEEN = " || "  # the two texts of a pair, in a table

Input = str | tuple[str, str]
Given = TypeVar("Given", bound=Input)  # where what comes out is of the same kind as what went in


def input_columns(names: Iterable[str]) -> tuple[str, ...]:
    """The columns of the input, of all columns that a split or table has."""
    known = set(names)
    return tuple(name for name in COLUMNS if name in known)


def inputs_of(split: Any) -> list[Input]:
    """The inputs of a split, or of a batch of it: anything that gives a column by its name."""
    pairs = TEXT_PAIR in (split if isinstance(split, dict) else split.column_names)
    texts = list(split[TEXT])
    return list(zip(texts, split[TEXT_PAIR], strict=True)) if pairs else texts


class Inputs(Sequence[Input]):
    """The inputs of a split, each read when it is asked for: of a large split not all are in memory."""

    def __init__(self, split: Any) -> None:
        self._split, self._names = split, input_columns(split.column_names)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._split)

    def __getitem__(self, row: Any) -> Any:
        """The input of a row."""
        given = self._split[row]
        parts = [given[name] for name in self._names]
        return parts[0] if len(parts) == 1 else tuple(parts)


def columns_of(inputs: Sequence[Input]) -> dict[str, list[str]]:
    """The inputs as columns by name: what `inputs_of` reads."""
    parts = [parts_of(each) for each in inputs]
    names = COLUMNS[: max(map(len, parts), default=1)]
    return {name: [each[place] for each in parts] for place, name in enumerate(names)}


def parts_of(given: Input) -> tuple[str, ...]:
    """Its texts, one or two."""
    return (given,) if isinstance(given, str) else given


def texts_of(inputs: Iterable[Input]) -> list[str]:
    """All texts, those of a pair one after the other."""
    return [text for each in inputs for text in parts_of(each)]


def length(given: Input) -> int:
    """Its characters, of a pair those of both texts."""
    return sum(map(len, parts_of(given)))


def cut(given: Input, characters: int) -> Input:
    """The beginning of each of its texts."""
    if isinstance(given, str):
        return given[:characters]
    return given[0][:characters], given[1][:characters]


def shown(given: Input) -> str:
    """How it reads in a table: in one line, as far as its texts are."""
    return BETWEEN.join(parts_of(given))


def of_json(value: Any) -> Input:
    """The input that a JSON value says: a text, an object with `text` and `text_pair`, or a list of two texts.

    Raises ValueError for anything else.
    """
    if isinstance(value, dict) and set(value) <= set(COLUMNS):
        value = [value[name] for name in COLUMNS if name in value]
    if isinstance(value, list | tuple) and 1 <= len(value) <= 2 and all(isinstance(text, str) for text in value):
        return value[0] if len(value) == 1 else (value[0], value[1])
    if not isinstance(value, str):
        raise ValueError('expected a text, or {"text": ..., "text_pair": ...}')
    return value


def named(given: Input) -> dict[str, str]:
    """Its texts by the names of their columns."""
    return dict(zip(COLUMNS, parts_of(given), strict=False))


def to_json(given: Input) -> Any:
    """The input as a JSON value: a text, or an object with `text` and `text_pair`."""
    return given if isinstance(given, str) else named(given)
