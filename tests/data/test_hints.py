"""Data that looks as if it were meant otherwise is told in one line, and so is what was changed."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
from datasets import ClassLabel, Dataset, Features, Value

from pipeline.data import hints
from pipeline.errors import DataError
from tests.conftest import write_csv
from tests.data.test_files import load, rows_of


@pytest.mark.parametrize(
    ("columns", "text", "other"),
    [
        (["sentence1", "sentence2", "label"], "sentence1", "sentence2"),
        (["premise", "hypothesis", "label"], "hypothesis", "premise"),
        (["text_a", "text_b", "label"], "text_a", "text_b"),
        (["text", "label", "sentence2"], "text", ""),
        (["sentence1", "label"], "sentence1", ""),
        (["data", "datb"], "data", "datb"),
    ],
)
def test_a_second_text_beside_the_first_is_named(columns: list[str], text: str, other: str) -> None:
    found = hints.of_columns(columns, [text])
    assert [f"the column {other!r}" in line for line in found] == [True] * bool(other)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (["joy", "anger", "joy|anger", "joy|fear"], "joined with '|'"),
        (["a;b", "b;c", "c;a"], "joined with ';'"),
        (["['joy']", "['joy', 'fear']"], "lists of labels"),
        ([f"{score / 2}" for score in range(2, 11)], "scores"),
        ([f"free text {i}" for i in range(90)], "data.label_column"),
        (["food and drink", "R&D, sales", "Sports"], ""),
        (["Question|Answer", "Sports"], ""),
        (["1", "2", "3"], ""),
        (["0.5", "v1.0"], ""),
    ],
)
def test_labels_that_are_meant_otherwise_are_told_once(labels: list[str], words: str) -> None:
    found = hints.of_labels(labels, 100)
    assert [words in line for line in found] == [True] * bool(words)


def test_every_hint_about_a_file_is_a_note_of_its_splits(tmp_path: Path) -> None:
    labels = ["a", "b ", "a|b", "A", "null"]
    rows = [(f"text {i}", labels[i % 5]) for i in range(100)] + [("text 1", "a")] * 2
    splits = load(write_csv(tmp_path / "a.csv", rows, ("sentence1", "label")), text_column="sentence1")
    assert splits.labels == ("A", "a", "a|b", "b", "null")
    told = "\n".join(splits.notes)
    assert "spaces around 20 of 102 labels were removed" in told
    assert "'A', 'a' are 2 different labels" in told and "data.oos_label=\"'null'\"" in told


def test_the_same_text_with_two_labels_is_counted(tmp_path: Path) -> None:
    rows = [(f"text {i}", "ab"[i % 2]) for i in range(40)] + [("same", "a"), ("same", "b")] * 20
    splits = load(write_csv(tmp_path / "a.csv", rows))
    assert "texts that stand in train with different labels: 1" in splits.notes


def test_parquet_of_the_library_datasets_keeps_the_names_of_its_classes(tmp_path: Path) -> None:
    features = Features({"text": Value("string"), "label": ClassLabel(names=["joy", "anger"])})
    rows = {"text": [f"text {i}" for i in range(40)], "label": [i % 2 for i in range(40)]}
    Dataset.from_dict(rows, features).to_parquet(tmp_path / "a.parquet")
    splits = load(tmp_path / "a.parquet")
    assert splits.labels == ("anger", "joy")
    assert all((int(text.split()[1]) % 2 == 0) == (label == "joy") for text, label in rows_of(splits, "train"))


@pytest.mark.parametrize(("code", "words"), [(-1, "1 with an empty label"), (2, "none of its 2 classes")])
def test_a_number_without_a_class_is_an_error(code: int, words: str, tmp_path: Path) -> None:
    features = Features({"text": Value("string"), "label": ClassLabel(names=["joy", "anger"])})
    table = pa.table({"text": [f"text {i}" for i in range(40)], "label": [code, *[0, 1] * 19, 0]})
    table = table.replace_schema_metadata(features.arrow_schema.metadata)
    pa.parquet.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(DataError, match="row 1, column 'label'") as caught:
        load(tmp_path / "a.parquet")
    assert words in str(caught.value)


def test_strings_of_json_that_look_like_dates_stay_strings(tmp_path: Path) -> None:
    lines = [f'{{"text": "2024-01-{i % 28 + 1:02}", "label": "202{i % 2}-01-01"}}\n' for i in range(60)]
    (tmp_path / "a.jsonl").write_text("".join(lines))
    splits = load(tmp_path / "a.jsonl")
    assert splits.labels == ("2020-01-01", "2021-01-01") and splits.train["text"][0].startswith("2024-01-")


def test_a_missing_column_names_only_what_the_file_has_columns_for(tmp_path: Path) -> None:
    two, many = tmp_path / "two.csv", tmp_path / "many.csv"
    two.write_text("v1,v2,,\nham,a text,,\n")
    many.write_text("text,anger,joy\na text,0,1\n")
    with pytest.raises(DataError, match=r"no column 'text'.*name yours with data\.text_column=\.\.\.$"):
        load(two)
    told = r"no column 'label'.*a column of 0 and 1 each, set data\.label_columns=\[anger,joy\]"
    with pytest.raises(DataError, match=told):
        load(many)
