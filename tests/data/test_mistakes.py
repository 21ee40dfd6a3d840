"""Data that can't be used: one line that names the file, the row and the column."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.data.sources import Hub
from pipeline.errors import DataError
from tests.conftest import write_csv
from tests.data.test_files import load, parquet

SOME = "".join(f"text {i},l{i % 2}\n" for i in range(40))


def problem(train: Path, **settings: Any) -> str:
    with pytest.raises(DataError) as caught:
        load(train, **settings)
    line = str(caught.value)
    assert line.startswith("data error: ") and line.isprintable()
    return line


MISTAKES: dict[str, tuple[str, bytes | None, dict[str, str], list[str]]] = {
    "a missing file": ("a.csv", None, {}, ["no such file"]),
    "a directory": (".", None, {}, ["directory"]),
    "an unknown kind of file": ("a.xls", b"x", {}, [".csv", ".jsonl", ".parquet", ".xlsx"]),
    "not a workbook": ("a.xlsx", b"x", {}, ["Excel"]),
    "not packed": ("a.csv.gz", b"\x1f\x8b\x08nothing", {}, ["unpacked"]),
    "a missing column": ("a.csv", b"text,lable\n", {}, ["'label'", "did you mean lable?", "data.label_column"]),
    "a missing column in JSON": ("a.jsonl", b'{"txt": "a", "label": "b"}\n', {}, ["'text'", "txt", "data.text_column"]),
    "an empty text": (
        "a.csv", f"text,label\n{SOME} ,l1\n,l1\n".encode(), {},
        ["2 with an empty text", "row 42", "'text'", "data.on_bad_rows=drop"],
    ),
    "an empty text under blank lines": ("a.csv", f"text,label\n\n\n{SOME} ,l1\n".encode(), {}, ["row 44", "empty"]),
    "an empty label": ("a.csv", f"text,label\n{SOME}a,\n".encode(), {}, ["row 42", "'label'", "empty"]),
    "no label in JSON": ("a.jsonl", b'{"text": "a", "label": "b"}\n{"text": "a"}\n', {}, ["row 2", "'label'", "empty"]),
    "an empty text in a column with another name": (
        "a.csv", b"utterance,category\na,b\n ,c\n", {"text_column": "utterance", "label_column": "category"},
        ["row 3", "'utterance'"],
    ),
    "one class only": ("a.csv", b"text,label\n" + b"a,b\n" * 30, {}, ["one class", "'b'"]),
    "Latin-1": ("a.csv", f"text,label\n{SOME}caf\xe9,l1\n".encode("latin-1"), {}, ["line 42", "encoding=cp1252", "café"]),
    "Latin-1 in a label": ("a.csv", f"text,label\n{SOME}a,\xe9\n".encode("latin-1"), {}, ["line 42", "UTF-8"]),
    "UTF-16 without a mark": ("a.csv", f"text,label\n{SOME}".encode("utf-16-be"), {}, ["data.encoding=utf-16-be"]),
    "zero bytes": ("a.csv", b"text,label\n\0\xff,a\n", {}, ["not a text file"]),
    "nothing but a header": ("a.csv", b"text,label\n", {}, ["train", "empty"]),
    "an empty file": ("a.jsonl", b"", {}, ["mpty"]),
    "too many fields in a row": ("a.csv", f"text,label\n{SOME}a,b,c\n".encode(), {}, ["row 42", "3"]),
    "a quotation mark that is not closed": ("a.csv", f'text,label\n"oh,l1\n{SOME}'.encode(), {}, ["csv"]),
    "broken JSON": ("a.jsonl", b'{"text": "a", "label": "b"}\n{"text": "a",\n', {}, ["row 2", "json"]),
    "fractions as labels": ("a.jsonl", b'{"text": "a", "label": 0.5}\n', {}, ["'label'", "strings or integers"]),
    "numbers as texts": ("a.jsonl", b'{"text": 1, "label": "b"}\n', {}, ["'text'", "not text"]),
    "not a Parquet file": ("a.parquet", b"text,label\n", {}, ["parquet"]),
    "too few rows to cut": ("a.csv", b"text,label\na,b\nc,d\n", {}, ["too few", "data.test"]),
    "an unknown out-of-scope label": ("a.csv", f"text,label\n{SOME}".encode(), {"oos_label": "l3"}, ["oos_label=l3", "l1"]),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_file_is_one_line_that_says_where(mistake: str, tmp_path: Path) -> None:
    name, content, settings, words = MISTAKES[mistake]
    if content is not None:
        (tmp_path / name).write_bytes(content)
    line = problem(tmp_path / name, **settings)
    assert all(word in line for word in words), line
    assert "oos_label" in settings or str(tmp_path / name) in line


def test_fractions_as_labels_of_a_parquet_file_are_refused(tmp_path: Path) -> None:
    assert "'label'" in problem(parquet(tmp_path / "a.parquet", [("a", 0.5), ("b", 1.5)]))


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_label_that_train_lacks_is_found_in_its_row(split: str, tmp_path: Path, toy_rows: list[tuple[str, str]]) -> None:
    names = ("text", "category")
    train = write_csv(tmp_path / "train.csv", toy_rows, names)
    held = write_csv(tmp_path / "held.csv", [*toy_rows[:5], ("what", "wether")], names)
    line = problem(train, label_column="category", **{split: str(held)})
    assert all(word in line for word in (f"{held}, row 7", "'category'", "'wether'", "did you mean weather?")), line


def test_an_empty_split_is_named(tmp_path: Path, toy_csv: Path) -> None:
    empty = write_csv(tmp_path / "held.csv", [])
    assert f"{empty}: the validation split is empty" in problem(toy_csv, validation=str(empty))


def test_a_hub_that_is_out_of_reach_is_one_line_with_the_way_out() -> None:
    with pytest.raises(DataError) as caught:
        Hub(kind="hub", name="x", dataset="nobody/nothing-here").load(1)
    line = str(caught.value)
    assert "nobody/nothing-here" in line and "data=files" in line and line.isprintable()
