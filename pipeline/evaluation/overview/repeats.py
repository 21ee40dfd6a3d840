"""Texts that stand more than once: within a split, in two of them, with different labels, nearly the same."""

from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data import near_duplicates
from pipeline.data.near_duplicates import Found
from pipeline.data.splits import Splits
from pipeline.evaluation.overview import columns

EXAMPLES, CHARACTERS = 5, 120
NEAR = ("train", "validation in train", "test in train")


@dataclass(frozen=True)
class Repeats:
    """Counts of texts; of pairs where the inputs are pairs."""

    within: dict[str, int]  # split -> texts that stand earlier in the same split
    shared: dict[str, int]  # such as "test in train" -> texts of the one that are also in the other
    near: dict[str, Found]  # near duplicates: "train" within itself, "validation in train", "test in train"
    contradictions: int  # texts of train that have different labels
    examples: tuple[str, ...]  # the texts of train that are repeated most often


def repeats_of(splits: Splits) -> Repeats:
    """Compare all texts, letter by letter; and texts of each split with those of train for near duplicates."""
    keys = {name: columns.keys(getattr(splits, name)) for name in columns.NAMES}
    shared = {}
    for name, other in (("validation", "train"), ("test", "train"), ("test", "validation")):
        shared[f"{name} in {other}"] = pc.sum(pc.is_in(keys[name], value_set=keys[other])).as_py() or 0
    counts = pc.value_counts(keys["train"])
    often = counts.filter(pc.greater(counts.field("counts"), 1))
    order = pc.sort_indices(often.field("counts"), sort_keys=[("", "descending")])[:EXAMPLES]
    examples = often.field("values").take(order).to_pylist()
    near = near_duplicates.count(keys["train"], keys["validation"], keys["test"])
    return Repeats(
        {name: len(texts) - pc.count_distinct(texts).as_py() for name, texts in keys.items()},
        shared,
        {name: _readable(found) for name, found in zip(NEAR, near, strict=True)},
        _contradictions(keys["train"], columns.label_keys(splits.train)),
        tuple(map(_shown, examples)),
    )


def _shown(text: str) -> str:
    return " ".join(text[:CHARACTERS].replace(columns.BETWEEN, columns.SHOWN_BETWEEN).split())


def _readable(found: Found) -> Found:
    return replace(found, examples=tuple((_shown(text), _shown(near)) for text, near in found.examples))


def _contradictions(keys: pa.ChunkedArray, labels: pa.Array) -> int:
    grouped = pa.table({"key": keys, "label": labels}).group_by("key").aggregate([("label", "count_distinct")])
    return int(pc.sum(pc.greater(grouped.column("label_count_distinct"), 1)).as_py() or 0)
