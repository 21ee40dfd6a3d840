"""Leaks: texts of one split that stand in another, as they are or with other case and white space."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data.raw import Changed, Parts, RawSplit, mask

TELL, DROP_TRAIN = POLICIES = ("tell", "drop_train")  # values of data.on_leaks
PAIRS = (("validation", "train"), ("test", "train"), ("test", "validation"))
WHITE_SPACE = r"[\s\pZ]+"
SLICE = 2**17  # rows whose normalized texts are in memory at a time
BETWEEN = "\x1f"  # texts of one input


def counted(parts: Parts) -> list[str]:
    """How many texts of each held-out split stand in another."""
    notes = []
    for name, other in PAIRS:
        if not {name, other} <= set(parts):
            continue
        equal, alike = _shared(parts[name], parts[other])
        if alike:
            what = f"{equal} of {parts[name].table.num_rows} {name} texts are also in {other}"
            notes.append(f"{what} ({alike} without regard to case and white space)")
    return notes


def dropped(parts: Parts, policy: str) -> Changed:
    """Drop the rows of train whose text stands in validation or test, case and white space apart, if that is wanted."""
    held = [part for name, part in parts.items() if name != "train"]
    if policy != DROP_TRAIN or not held:
        return parts, []
    train = parts["train"]
    leaked = np.logical_or.reduce([_stands_in(train, _keys(part.table, part.inputs)) for part in held])
    if not leaked.any():
        return parts, []
    what = f"{leaked.sum()} of {len(leaked)} texts of train are also in validation or test and were dropped"
    told = f"{train.where}: {what} (data.on_leaks={DROP_TRAIN}), without regard to case and white space"
    return {**parts, "train": train.filter(~leaked)}, [told]


def _shared(part: RawSplit, other: RawSplit) -> tuple[int, int]:
    """How many texts of a split stand in the other as they are, and case and white space apart."""
    keys = _keys(part.table, part.inputs)
    found = other.table.filter(pa.array(_stands_in(other, keys)))
    alike = mask(pc.is_in(keys, value_set=_keys(found, other.inputs)))
    texts = _joined(part.table.filter(pa.array(alike)), part.inputs)
    equal = pc.sum(pc.is_in(texts, value_set=_joined(found, other.inputs))).as_py() or 0
    return equal, int(alike.sum())


def _stands_in(part: RawSplit, keys: pa.ChunkedArray) -> np.ndarray:
    """Which rows of a split have one of the keys: bool (rows,)."""
    wanted, rows = pc.unique(keys), part.table.num_rows
    slices = (part.table.slice(start, SLICE) for start in range(0, rows, SLICE))
    found = [mask(pc.is_in(_keys(each, part.inputs), value_set=wanted)) for each in slices]
    return np.concatenate(found) if found else np.zeros(0, dtype=bool)


def _keys(table: pa.Table, inputs: list[str]) -> pa.ChunkedArray:
    """The texts of each row in small letters, with single spaces."""
    spaced = pc.replace_substring_regex(pc.utf8_lower(_joined(table, inputs)), WHITE_SPACE, " ")
    return pc.utf8_trim(spaced, " ")


def _joined(table: pa.Table, inputs: list[str]) -> pa.ChunkedArray:
    columns = [table.column(name) for name in inputs]
    return columns[0] if len(columns) == 1 else pc.binary_join_element_wise(*columns, BETWEEN)
