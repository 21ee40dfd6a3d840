"""Rows of one group never stand in two splits that are drawn, and the shares are as near as groups allow."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.groups import REST, divide
from pipeline.data.splits import Splits
from pipeline.errors import DataError
from tests.data.test_files import load, rows_of


def written(path: Path, rows: list[tuple[str, str, str]]) -> Path:
    path.write_text("text,label,user\n" + "".join(",".join(row) + "\n" for row in rows))
    return path


def users(splits: Splits, name: str) -> set[str]:
    return {text.split()[0] for text, _ in rows_of(splits, name)}


def of_users(sizes: list[int]) -> list[tuple[str, str, str]]:
    rows = [(f"u{user} text {i}", "aab"[(user + i) % 3], f"u{user}") for user, size in enumerate(sizes) for i in range(size)]
    np.random.default_rng(0).shuffle(rows)
    return [tuple(map(str, row)) for row in rows]  # type: ignore[misc]


def test_rows_of_a_user_stay_together_and_shares_are_kept(tmp_path: Path) -> None:
    train = written(tmp_path / "a.csv", of_users([60, 40, *range(1, 31)]))
    splits = load(train, group_column="user")
    parts = [users(splits, name) for name in ("train", "validation", "test")]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 32
    assert [len(splits.train), len(splits.validation), len(splits.test)] == pytest.approx([395, 57, 113], abs=3)
    assert splits.train.column_names == ["text", "label"]
    assert Counter(splits.test["label"])[0] == pytest.approx(2 / 3 * 113, abs=3)
    assert "were drawn by the 32 groups of column 'user'" in splits.notes[0]
    again, other = load(train, group_column="user"), load(train, group_column="user", seed=2)
    assert again.content_hash == splits.content_hash != other.content_hash


def test_the_rest_has_every_class_and_no_part_is_empty_where_groups_suffice() -> None:
    rng, shares = np.random.default_rng(1), {"test": 0.2, "validation": 0.1}
    labels, groups = np.array([0] * 50 + [1] * 50 + [2] * 3), np.array([0] * 50 + [1] * 50 + [2] * 2 + [3])
    parts = divide(labels, groups, shares, rng)
    assert {*labels[parts[REST]]} == {0, 1, 2} and sorted(np.concatenate([*parts.values()])) == list(range(103))
    few = divide(np.array([0, 1, 0, 1, 0, 1]), np.array([0, 0, 1, 1, 2, 2]), shares, rng)
    assert sorted(len(rows) for rows in few.values()) == [2, 2, 2]


def test_too_few_groups_and_rows_without_one_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"to draw a validation split by the groups of column 'user'.*it would be empty"):
        load(written(tmp_path / "a.csv", of_users([20, 30])), group_column="user")
    rows = [*of_users([20, 10, 10]), *((f"alone {i}", "ab"[i % 2], "") for i in range(20))]
    splits = load(written(tmp_path / "b.csv", rows), group_column="user")
    assert "20 rows without a group are a group each" in splits.notes[0]
    with pytest.raises(DataError, match=r"no column 'usr'; did you mean user\?.*data\.group_column="):
        load(tmp_path / "b.csv", group_column="usr")


def test_groups_that_given_splits_share_are_told(tmp_path: Path) -> None:
    rows = of_users([20, 20, 20, 20])
    train, test = written(tmp_path / "a.csv", rows), written(tmp_path / "b.csv", [*rows[:3], ("u9 x", "a", "u9")])
    splits = load(train, test=str(test), group_column="user")
    shared = len(users(splits, "test") & users(splits, "train"))
    assert f"{shared} of {len(users(splits, 'test'))} groups (column 'user') of test are also in train" in splits.notes
