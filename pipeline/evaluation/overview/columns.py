"""Inputs and labels of a split, whatever the task: one text or a pair, one label or any number of them.

All else in this folder looks at data through these functions.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.tasks.single_label import LABEL, TEXT

if TYPE_CHECKING:
    from datasets import Dataset

PAIR = "text_pair"
BETWEEN = "\x1f"  # between the two texts of a pair where they are compared; no text has it
SHOWN_BETWEEN = " || "
NAMES = ("train", "validation", "test")


def table(split: "Dataset") -> pa.Table:
    """The columns of a split as they lie in memory."""
    found: pa.Table = split.with_format("arrow")[:]
    return found


def keys(split: "Dataset") -> pa.ChunkedArray:
    """One string an input; two are equal where the inputs are."""
    columns = table(split)
    if PAIR not in columns.column_names:
        return columns.column(TEXT)
    return pc.binary_join_element_wise(columns.column(TEXT), columns.column(PAIR), pa.scalar(BETWEEN, pa.large_string()))


def some(split: "Dataset", rows: np.ndarray, characters: int) -> list[str]:
    """The inputs of these rows, each cut at so many characters; both texts of a pair. rows: int64."""
    found: list[str] = pc.utf8_slice_codeunits(keys(split).take(pa.array(rows)), 0, characters).to_pylist()
    return [text.replace(BETWEEN, SHOWN_BETWEEN) for text in found]


def label_keys(split: "Dataset") -> pa.Array:
    """One value a row; two are equal where the labels are."""
    column = table(split).column(LABEL)
    if pa.types.is_integer(column.type):
        return column.combine_chunks()
    return pa.array([",".join(map(str, numbers)) for numbers in column.to_pylist()], pa.string())


def membership(split: "Dataset", labels: int, rows: np.ndarray | None = None) -> Any:
    """Which labels each row has: a sparse float32 matrix (rows, labels) of scipy. rows: int64; None: all."""
    from scipy.sparse import csr_array

    column = table(split).column(LABEL)
    if rows is not None:
        column = column.take(pa.array(rows))
    if pa.types.is_integer(column.type):
        found = column.to_numpy()
        starts = np.arange(len(found) + 1)
    else:
        lists = column.combine_chunks()
        found = pc.list_flatten(lists).to_numpy()
        starts = np.concatenate([[0], np.cumsum(pc.list_value_length(lists).to_numpy())])
    return csr_array((np.ones(len(found), np.float32), found, starts), shape=(len(column), labels))


def drawn(split: "Dataset", texts: int, seed: int) -> np.ndarray:
    """At most so many rows of a split, drawn and then in order: int64."""
    return np.sort(np.random.default_rng(seed).permutation(len(split))[:texts])
