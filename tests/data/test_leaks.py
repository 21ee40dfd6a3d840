"""Texts that stand in two splits: told in both counts, and dropped from train if that is wanted."""

from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.data import leaks
from pipeline.data.raw import RawSplit
from pipeline.errors import DataError
from tests.conftest import write_csv
from tests.data.test_files import load, rows_of

TRAIN = [(f"text number {i}", "ab"[i % 2]) for i in range(40)]
TEST = [("text number 1", "b"), ("Text\u00a0 number\t2 ", "a"), ("TEXT NUMBER 3", "b"), ("new", "a")]


def test_leaks_are_counted_as_they_are_and_without_case_and_white_space(tmp_path: Path) -> None:
    train, test = write_csv(tmp_path / "a.csv", TRAIN), write_csv(tmp_path / "b.csv", TEST)
    validation = write_csv(tmp_path / "c.csv", [("New", "a"), ("newer", "b")])
    splits = load(train, validation=str(validation), test=str(test))
    assert splits.notes == (
        "1 of 4 test texts are also in train (3 without regard to case and white space)",
        "0 of 4 test texts are also in validation (1 without regard to case and white space)",
    )
    clean = load(train, validation=str(validation), test=str(test), on_leaks="drop_train")
    assert rows_of(clean, "train") == [TRAIN[0], *TRAIN[4:]] and rows_of(clean, "test") == TEST
    assert clean.notes[0].startswith(f"{train}: 3 of 40 texts of train are also in validation or test and were dropped")
    assert "in train" not in " ".join(clean.notes[1:])


def test_repeated_texts_of_train_do_not_leak_into_splits_that_are_drawn(tmp_path: Path) -> None:
    train = write_csv(tmp_path / "a.csv", TRAIN + [(text.upper(), label) for text, label in TRAIN[:20]])
    assert "validation texts are also in train" in " ".join(load(train).notes)
    splits = load(train, on_leaks="drop_train")
    seen = {text.lower() for text, _ in rows_of(splits, "train")}
    assert not seen & {text.lower() for name in ("validation", "test") for text, _ in rows_of(splits, name)}


def test_a_class_that_train_loses_with_its_leaks_is_no_label_of_it(tmp_path: Path) -> None:
    train = write_csv(tmp_path / "a.csv", [*TRAIN, ("the only one", "c")])
    test = write_csv(tmp_path / "b.csv", [("the only one", "c"), ("new", "a")])
    with pytest.raises(DataError, match=r"1 with a label that train lacks \(first: .*b\.csv, row 2, column 'label': 'c'"):
        load(train, test=str(test), on_leaks="drop_train")
    splits = load(train, test=str(test), on_leaks="drop_train", on_bad_rows="drop")
    assert splits.labels == ("a", "b") and rows_of(splits, "test") == [("new", "a")]


def test_a_pair_leaks_only_if_both_of_its_texts_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "SLICE", 2)
    table = {"text": ["a", "b", "A  a", "c"], "text_pair": ["x", "y", "z", "w"], "label": ["1"] * 4}
    held = {"text": ["a", "B", "a a"], "text_pair": ["y", "y", "Z"], "label": ["1"] * 3}
    parts = {name: RawSplit(pa.table(columns), name) for name, columns in (("train", table), ("test", held))}
    assert leaks.counted(parts) == ["0 of 3 test texts are also in train (2 without regard to case and white space)"]
    left, _ = leaks.dropped(parts, leaks.DROP_TRAIN)
    assert left["train"].table.column("text").to_pylist() == ["a", "c"]
    assert left["train"].place(1, "text") == "train, row 4, column 'text'"
