"""Rows that can't be used: one line with counts, places and the setting; with it they are dropped and counted."""

from pathlib import Path

import pytest

from pipeline.data.splits import Rules, Splits
from pipeline.errors import DataError
from tests.conftest import write_csv
from tests.data.test_files import load, rows_of

GOOD = [(f"text {i}", "ab"[i % 2]) for i in range(40)]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    train = [*GOOD, ("", "a"), ("\t ", "b"), ("only here", "c"), ("", "")]
    held = [("x", "a"), ("y", ""), ("z", "bb"), ("what", "b"), (" ", "bb")]
    return {
        "train": write_csv(tmp_path / "train.csv", train),
        "validation": write_csv(tmp_path / "held.csv", held),
        "test": write_csv(tmp_path / "test.csv", [("x", "d"), ("y", "c"), ("u", "a")]),
    }


def loaded(files: dict[str, Path], on_bad_rows: str) -> Splits:
    return load(files["train"], validation=str(files["validation"]), test=str(files["test"]), on_bad_rows=on_bad_rows)


def test_bad_rows_are_one_error_with_counts_places_and_the_setting(files: dict[str, Path]) -> None:
    with pytest.raises(DataError) as caught:
        loaded(files, "error")
    assert str(caught.value) == (
        "data error: 7 rows can't be used: "
        f"4 with an empty text (first: {files['train']}, row 42, column 'text'), "
        f"1 with an empty label (first: {files['validation']}, row 3, column 'label'), "
        f"2 with a label that train lacks (first: {files['validation']}, row 4, column 'label': 'bb'; "
        "did you mean b? (known: a, b, c)); "
        "correct them, or set data.on_bad_rows=drop to go on without them"
    )


def test_dropped_rows_are_counted_in_each_split(files: dict[str, Path]) -> None:
    splits = loaded(files, "drop")
    assert splits.labels == ("a", "b", "c") and rows_of(splits, "train") == [*GOOD, ("only here", "c")]
    assert rows_of(splits, "validation") == [("x", "a"), ("what", "b")]
    assert rows_of(splits, "test") == [("y", "c"), ("u", "a")]
    assert splits.notes[:3] == (
        f"{files['train']}: 3 of 44 rows were dropped (data.on_bad_rows=drop): 3 with an empty text",
        f"{files['validation']}: 3 of 5 rows were dropped (data.on_bad_rows=drop): 1 with an empty text, "
        "1 with an empty label, 1 with a label that train lacks",
        f"{files['test']}: 1 of 3 rows were dropped (data.on_bad_rows=drop): 1 with a label that train lacks",
    )


def test_labels_of_rows_that_are_dropped_are_not_labels_of_train(tmp_path: Path) -> None:
    train = write_csv(tmp_path / "a.csv", [*GOOD, ("", "c")])
    test = write_csv(tmp_path / "b.csv", [("x", "c"), ("y", "a")])
    splits = load(train, test=str(test), on_bad_rows="drop")
    assert splits.labels == ("a", "b") and rows_of(splits, "test") == [("y", "a")]


def test_a_split_of_which_nothing_is_left_is_an_error(tmp_path: Path) -> None:
    train, test = write_csv(tmp_path / "a.csv", GOOD), write_csv(tmp_path / "b.csv", [("x", ""), ("", "a")])
    with pytest.raises(DataError, match=r"b\.csv: the test split is empty"):
        load(train, test=str(test), on_bad_rows="drop")


def test_the_rules_change_nothing_unless_asked_to() -> None:
    assert Rules() == Rules("error", None, None, "merge", "tell")


def test_labels_that_look_joined_are_told_where_they_are_the_reason(tmp_path: Path) -> None:
    joined = ("joy", "anger", "joy|anger", "joy|fear", "fear|anger")
    train = write_csv(tmp_path / "a.csv", [(f"text {i}", joined[i % 5]) for i in range(40)])
    test = write_csv(tmp_path / "b.csv", [("x", "joy"), ("y", "joy|fear|anger")])
    told = r"1 with a label that train lacks.*if a text has several, set data.label_separator='\|'"
    with pytest.raises(DataError, match=told):
        load(train, test=str(test))
    assert load(train, test=str(test), label_separator="|").labels == ("anger", "fear", "joy")
