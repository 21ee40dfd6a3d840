"""Data that can't be used: one line that names the file, the row and the column."""

from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet
import pytest

from pipeline.data.sources import Hub
from pipeline.errors import ConfigError, DataError
from tests.conftest import write_csv
from tests.data.test_files import load, parquet

SINGLE = "".join(f"{a + b},{a}|{b}\n" for a in "uvwxyz" for b in "uvwxyz" if a < b)
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
    "an empty file": ("a.jsonl", b"", {}, ["the file is empty"]),
    "an empty CSV": ("a.csv", b"\xef\xbb\xbf\r\n \n", {}, ["the file is empty"]),
    "null": ("a.json", b"null\n", {}, ["one object a line, or an array"]),  # Arrow crashes
    "null at the start of a line": ("a.jsonl", b'{"text": "a", "label": "b"}\n\n null\n', {}, ["row 3", "null"]),
    "an unusual delimiter": ("a.csv", b"text^label\na^b\n", {}, ["single column ('text^label')", "data.delimiter=..."]),
    "a wrong line of Excel": ("a.csv", b"sep=,\ntext;label\na;b\n", {}, ["'text;label'", "data.delimiter=..."]),
    "a column a label": ("a.csv", b"text,a,b\nx,0,1\ny,0,0\n", {}, ["data.label_columns=[a,b]"]),
    "a column a label in JSON": (
        "a.jsonl", b'{"i": 1, "text": "x", "a": true, "b 2": false}\n{"i": 2, "text": "y", "a": false, "b 2": false}\n', {},
        ["'data.label_columns=[a,b 2]'"],
    ),
    "joined labels": (
        "a.csv", f"text,label\n{SOME}{SINGLE}".encode(), {},
        ["too few to draw", "data.label_separator='|'"],
    ),
    "too many fields in a row": ("a.csv", f"text,label\n{SOME}a,b,c\n".encode(), {}, ["row 42", "3"]),
    "too many fields under other lines": (
        "a.csv", f"sep=,\n\n\ntext,label\n{SOME}a,b,c\n".encode(), {}, ["row 45", "got 3"],
    ),
    "a quotation mark that is not closed": ("a.csv", f'text,label\n"oh,l1\n{SOME}'.encode(), {}, ["csv"]),
    "broken JSON": ("a.jsonl", b'{"text": "a", "label": "b"}\n{"text": "a",\n', {}, ["row 2", "json"]),
    "fractions as labels": ("a.jsonl", b'{"text": "a", "label": 0.5}\n', {}, ["'label'", "strings, integers or booleans"]),
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


def test_a_column_a_label_is_seen_in_parquet_and_in_excel(tmp_path: Path) -> None:
    rows = [{"text": "x", "a": 0, "b": 1}, {"text": "y", "a": 1, "b": 1}]
    pa.parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    book = openpyxl.Workbook()
    book.worksheets[0].append([*rows[0]])
    for row in rows:
        book.worksheets[0].append([*row.values()])
    book.save(tmp_path / "a.xlsx")
    for name in ("a.parquet", "a.xlsx"):
        assert "set data.label_columns=[a,b]" in problem(tmp_path / name)


def test_labels_that_train_lacks_are_told_to_be_joined_ones(tmp_path: Path) -> None:
    train, test = (tmp_path / f"{name}.csv" for name in ("train", "test"))
    train.write_text(f"text,label\n{SINGLE}{SOME}")
    test.write_text("text,label\na,z|l1\n")
    assert "data.label_separator='|'" in problem(train, test=str(test))


@pytest.mark.parametrize(
    "settings",
    [{"text_column": "label"}, {"text_column": ("text", "label")}, {"label_columns": ["a", "text"]}, {"label_columns": []}],
)
def test_a_column_has_one_use(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"must be different columns|name a column for each label"):
        load(Path("a.csv"), **settings)


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
