"""What goes into a classifier: one text. The columns of a split that hold it."""

from typing import Any

TEXT, TEXT_PAIR = "text", "text_pair"  # the columns of a split
Input = str | tuple[str, str]  # one text, or two


def inputs_of(split: Any) -> list[Input]:
    """The inputs of a split, in its order: pairs of texts where it has two columns of them."""
    if TEXT_PAIR in split.column_names:
        return list(zip(split[TEXT], split[TEXT_PAIR], strict=True))
    return list(split[TEXT])
