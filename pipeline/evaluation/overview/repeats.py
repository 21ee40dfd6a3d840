"""Texts that stand more than once: within a split, in two of them, with different labels, nearly the same."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data.splits import Splits
from pipeline.evaluation.overview import columns

EXAMPLES, CHARACTERS = 5, 120


@dataclass(frozen=True)
class Repeats:
    """Counts of texts; of pairs where the inputs are pairs."""

    within: dict[str, int]  # split -> texts that stand earlier in the same split
    shared: dict[str, int]  # such as "test in train" -> texts of the one that are also in the other
    contradictions: int  # texts of train that have different labels
    examples: tuple[str, ...]  # the texts of train that are repeated most often


def repeats_of(splits: Splits) -> Repeats:
    """Compare all texts, letter by letter."""
    keys = {name: columns.keys(getattr(splits, name)) for name in columns.NAMES}
    shared = {}
    for name, other in (("validation", "train"), ("test", "train"), ("test", "validation")):
        shared[f"{name} in {other}"] = pc.sum(pc.is_in(keys[name], value_set=keys[other])).as_py() or 0
    counts = pc.value_counts(keys["train"])
    often = counts.filter(pc.greater(counts.field("counts"), 1))
    order = pc.sort_indices(often.field("counts"), sort_keys=[("", "descending")])[:EXAMPLES]
    examples = pc.utf8_slice_codeunits(often.field("values").take(order), 0, CHARACTERS).to_pylist()
    return Repeats(
        {name: len(texts) - pc.count_distinct(texts).as_py() for name, texts in keys.items()},
        shared,
        _contradictions(keys["train"], columns.label_keys(splits.train)),
        tuple(text.replace(columns.BETWEEN, columns.SHOWN_BETWEEN) for text in examples),
    )


def _contradictions(keys: pa.ChunkedArray, labels: pa.Array) -> int:
    grouped = pa.table({"key": keys, "label": labels}).group_by("key").aggregate([("label", "count_distinct")])
    return int(pc.sum(pc.greater(grouped.column("label_count_distinct"), 1)).as_py() or 0)
