"""Leaks: texts of one split that stand in another, as they are or with other case and white space."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data.raw import Changed, Parts, RawSplit, mask

TELL, DROP_TRAIN = POLICIES = ("tell", "drop_train")  # values of data.on_leaks
OTHER_SPACES = r"\t\n\v\f\r\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}"  # than " "
WHITE_SPACE = f"[ {OTHER_SPACES}]+"
UNUSUAL = f"  |[{OTHER_SPACES}]"  # of most texts nothing needs to be replaced, and to find that out is ten times as fast
SLICE = 2**17  # rows whose normalized texts are in memory at a time
BETWEEN = "\x1f"  # texts of one input


def counted(parts: Parts) -> list[str]:
    """How many texts of validation and test stand in train, and how many of test in validation."""
    held = {name: part for name, part in parts.items() if name != "train"}
    keys = {name: _keys(part.table, part.inputs) for name, part in held.items()}
    notes = []
    if "train" in parts:
        train = parts["train"].filter(_stands_in(parts["train"], list(keys.values())))
        known = _keys(train.table, train.inputs)
        notes = [_told(part, name, keys[name], train, "train", known) for name, part in held.items()]
    if len(held) == 2:
        notes.append(_told(held["test"], "test", keys["test"], held["validation"], "validation", keys["validation"]))
    return [note for note in notes if note is not None]


def dropped(parts: Parts, policy: str) -> Changed:
    """Drop the rows of train whose text stands in validation or test, case and white space apart, if that is wanted."""
    held = [part for name, part in parts.items() if name != "train"]
    if policy != DROP_TRAIN or not held or "train" not in parts:
        return parts, []
    train = parts["train"]
    leaked = _stands_in(train, [_keys(part.table, part.inputs) for part in held])
    if not leaked.any():
        return parts, []
    what = f"{leaked.sum()} of {len(leaked)} texts of train are also in validation or test and were dropped"
    told = f"{train.where}: {what} (data.on_leaks={DROP_TRAIN}), without regard to case and white space"
    return {**parts, "train": train.filter(~leaked)}, [told]


def _told(
    part: RawSplit, name: str, keys: pa.ChunkedArray, other: RawSplit, other_name: str, other_keys: pa.ChunkedArray
) -> str | None:
    """How many texts of a split stand in the other as they are, and case and white space apart; None if none does."""
    alike = mask(pc.is_in(keys, value_set=other_keys))
    if not alike.any():
        return None
    texts = _joined(part.table.filter(pa.array(alike)), part.inputs)
    equal = pc.sum(pc.is_in(texts, value_set=_joined(other.table, other.inputs))).as_py()
    what = f"{equal} of {part.table.num_rows} {name} texts are also in {other_name}"
    return f"{what} ({alike.sum()} without regard to case and white space)"


def _stands_in(part: RawSplit, keys: list[pa.ChunkedArray]) -> np.ndarray:
    """Which rows of a split have one of the keys: bool (rows,)."""
    wanted = pc.unique(pa.chunked_array([chunk for each in keys for chunk in each.chunks], pa.large_string()))
    slices = (part.table.slice(start, SLICE) for start in range(0, part.table.num_rows, SLICE))
    return np.concatenate([mask(pc.is_in(_keys(each, part.inputs), value_set=wanted)) for each in slices])


def _keys(table: pa.Table, inputs: list[str]) -> pa.ChunkedArray:
    """The texts of each row in small letters, with single spaces: large_string (rows,)."""
    lower = pc.utf8_lower(_joined(table, inputs)).combine_chunks()
    unusual = pc.match_substring_regex(lower, UNUSUAL)
    spaced = pc.replace_substring_regex(lower.filter(unusual), WHITE_SPACE, " ")
    return pa.chunked_array([pc.utf8_trim(pc.replace_with_mask(lower, unusual, spaced), " ")])


def _joined(table: pa.Table, inputs: list[str]) -> pa.ChunkedArray:
    columns = [table.column(name).cast(pa.large_string()) for name in inputs]
    between = pa.scalar(BETWEEN, pa.large_string())
    return columns[0] if len(columns) == 1 else pc.binary_join_element_wise(*columns, between)
