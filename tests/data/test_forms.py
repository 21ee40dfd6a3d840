"""Files as people have them: rows keep the numbers that people see, what is not sure is an error with its setting."""

import gzip
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet
import pytest
from datasets import ClassLabel, Dataset, Features, List, Value

from pipeline.data import tables
from pipeline.data.formats import Format
from pipeline.errors import DataError
from tests.data.test_files import load, rows_of

PAIRS = [(f"text {i}", f"l{i % 2}") for i in range(40)]
BAD = [*PAIRS, (" ", "l1")]


def cells(rows: list[tuple[str, str]], delimiter: str = ",", end: str = "\n") -> str:
    return "".join(delimiter.join(row) + end for row in rows)


def sheet(path: Path) -> None:
    book = openpyxl.Workbook()
    page = book.worksheets[0]
    for row in [("text", "label"), *PAIRS, (), (), BAD[-1]]:
        page.append(row)
    book.create_sheet("Notes").append(["text", "label"])
    book.save(path)


def parts(path: Path) -> None:
    for name, rows in (("1.csv", PAIRS), ("2.csv.gz", BAD)):
        content = f"text,label\n{cells(rows)}".encode()
        path.with_name(name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)


PLACES: dict[str, tuple[Callable[[Path], object], dict[str, Any], str]] = {
    "sep.csv": (lambda p: p.write_text(f"sep=;\ntext;label\n{cells(BAD, ';')}"), {}, "row 43, column 'text'"),
    "bare.csv": (
        lambda p: p.write_text(f"\n{cells(BAD)}"), {"header": False, "text_column": "1", "label_column": "2"},
        "row 42, column '1'",
    ),
    "utf16.txt": (
        lambda p: p.write_bytes(f"text\tlabel\r\n{cells(BAD, chr(9), chr(13) + chr(10))}".encode("utf-16")), {}, "row 42",
    ),
    "cr.csv.gz": (lambda p: p.write_bytes(gzip.compress(f"text,label\r{cells(BAD, end=chr(13))}".encode())), {}, "row 42"),
    "array.json": (lambda p: p.write_text(json.dumps([{"text": t, "label": n} for t, n in BAD])), {}, "row 41"),
    "lines.json": (
        lambda p: p.write_text("\n\n".join(json.dumps({"text": t, "label": n}) for t, n in BAD)), {}, "row 81",
    ),
    "a.xlsx": (sheet, {}, "a.xlsx, sheet 'Sheet', row 44"),
    "*.c*": (parts, {}, "2.csv.gz, row 42"),
}  # fmt: skip


@pytest.mark.parametrize("name", PLACES)
def test_a_row_has_the_number_that_people_see(name: str, tmp_path: Path) -> None:
    write, settings, place = PLACES[name]
    write(tmp_path / name)
    with pytest.raises(DataError, match="empty text") as caught:
        load(tmp_path / name, **settings)
    assert f"{place}" in str(caught.value), caught.value


def test_what_was_detected_is_told_in_a_line_for_each_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    end = ";7\n"
    for number in (1, 2):
        (tmp_path / f"{number}.csv").write_text(f"\ufefftext;label;id\n{cells(PAIRS, ';', end)}", encoding="utf-8")
    with caplog.at_level(logging.INFO):
        assert len(load(tmp_path / "[0-9].csv").test) == 16
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.INFO]
    said = "40 rows; separated by semicolon, with a header, quotation marks quote cells, UTF-8 with BOM; not used: id"
    assert told == [f"{tmp_path / f'{number}.csv'}: {said}" for number in (1, 2)]


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        ({"1.csv": "text,label\na,b\n", "2.csv": "text,label,id\na,b,1\n"}, ["2.csv: its columns", "'id'", "1.csv"]),
        ({"1.jsonl": '{"text": "a", "label": 1}', "2.jsonl": '{"text": "a", "label": "x"}'}, ["not of the same type"]),
        ({}, ["no file matches"]),
    ],
)
def test_files_of_a_pattern_must_be_alike(contents: dict[str, str], words: list[str], tmp_path: Path) -> None:
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(DataError) as caught:
        load(tmp_path / "*")
    assert all(word in str(caught.value) for word in words), caught.value


UNSURE: dict[str, tuple[str, dict[str, Any], str]] = {
    "two delimiters": ("a.csv", {"header": False}, "comma and semicolon would each.*data.delimiter=comma or semicolon"),
    "no delimiter": ("b.txt", {}, "can't tell what separates.*data.delimiter=comma or semicolon, tab, pipe"),
    "no header": ("c.csv", {}, r"first row looks like data.*1: 'spam', 2: 'win.*data.header=false data.text_column="),
    "a number as its name": ("c.csv", {"header": False}, "no column 'text': without a header, .* from 1 to 2"),
    "an unknown encoding": ("c.csv", {"encoding": "cp999"}, "data.encoding=cp999: no such encoding"),
    "another encoding": ("d.csv", {"encoding": "ascii"}, "can't be decoded as ascii.*data.encoding"),
    "a delimiter of two characters": ("c.csv", {"delimiter": "::"}, "data.delimiter=::.*one character"),
    "one broken line": ("e.csv", {}, "line 3: not UTF-8, though the rest of the file is"),
    "records under two keys": ("f.json", {}, "records under 'train', 'test'; save each list"),
    "no records": ("g.json", {}, "a JSON object without a list of records.*'text', 'label'"),
    "not records": ("h.json", {}, "record 2 of the JSON array is not an object"),
    "labels of two types": ("i.json", {}, "column 'label': can't be read .int, str"),
    "a sheet without the column": (
        "j.xlsx", {"text_column": "body"}, "j.xlsx, sheet 'Sheet' .the first of 2 .* to the front.: no column 'body'",
    ),
}  # fmt: skip
CONTENTS: dict[str, bytes] = {
    "a.csv": b"good;1,5\nbad;2,5\n",
    "b.txt": b"text|tag\n1, rain\nsnow; a\n",
    "c.csv": b"spam,win a prize now\nham,see you\nspam,cheap\n",
    "d.csv": "text,label\nä,b\n".encode(),
    "e.csv": "text,label\nGrüße,a\nGr".encode() + b"\xfc\xdfe,b\n" + "schöne Grüße,a\n".encode(),
    "f.json": json.dumps({name: [{"text": "a", "label": "b"}] for name in ("train", "test")}).encode(),
    "g.json": b'{\n"text": ["a", "b"],\n"label": ["x", "y"]\n}',
    "h.json": b'[{"text": "a", "label": "b"}, 1]',
    "i.json": b'[{"text": "a", "label": "b"}, {"text": "a", "label": 1}]',
}


@pytest.mark.parametrize("case", UNSURE)
def test_what_is_not_sure_is_an_error_that_names_the_setting(case: str, tmp_path: Path) -> None:
    name, settings, words = UNSURE[case]
    path = tmp_path / name
    if path.suffix == ".xlsx":
        sheet(path)
    else:
        path.write_bytes(CONTENTS[name])
    with pytest.raises(DataError, match=words):
        load(path, **settings)


def test_what_is_said_is_taken_as_said(tmp_path: Path) -> None:
    rows = [(f"Grüße, {i}", f"l{i % 2}") for i in range(40)]
    path = tmp_path / "a.csv"
    path.write_bytes(cells(rows, "~").encode("mac_roman"))
    splits = load(path, header=False, text_column="1", label_column="2", delimiter="~", encoding="mac_roman")
    assert sorted(row for part in ("train", "validation", "test") for row in rows_of(splits, part)) == sorted(rows)
    path.write_text(f"text,label\n{cells([(text.replace(',', ''), label) for text, label in rows])}", encoding="utf-8")
    assert any(
        "looks like UTF-8, but is read as data.encoding=cp1252" in note for note in load(path, encoding="cp1252").notes
    )


def test_cells_of_excel_are_the_texts_that_they_show(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    values: list[str | float] = ["None", "NA", "null", "nan", "1e3", "true", 7, 7.0, "007"]
    book = openpyxl.Workbook()
    for row in [("text", "label"), *((f"text {i}", value) for i in range(20) for value in values)]:
        book.worksheets[0].append(row)
    book.save(tmp_path / "a.xlsx")
    assert load(tmp_path / "a.xlsx").labels == tuple(sorted(["None", "NA", "null", "nan", "1e3", "true", "7", "007"]))
    book.worksheets[0].append(("text", True))
    book.worksheets[0].append(("text", "#N/A"))
    book.save(tmp_path / "a.xlsx")
    found = tables.read(tmp_path / "a.xlsx", {"label": "", "text": ""}, Format())
    assert found.table.column("label").to_pylist()[-2:] == ["TRUE", None] and found.place(180).endswith("row 182")
    assert any("1 cells of column 'label' are true or false in Excel" in note for note in found.notes)
    assert any(
        "1 cells of column 'label' are errors such as #N/A in Excel; they are read as empty" in note for note in found.notes
    )


def test_formulas_without_results_are_no_empty_cells(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in [
        ("text", "a", "b", "=1"),
        *((f"text {i}", i % 2, 1 - i % 2, "=1") for i in range(40)),
        ("x", "=0+1", "", ""),
    ]:
        book.worksheets[0].append([*row])
    book.save(tmp_path / "a.xlsx")
    with pytest.raises(DataError, match=r"1 cells are formulas whose results.*first: row 42, column 'a'.*save it"):
        load(tmp_path / "a.xlsx", label_columns=["a", "b"])
    book.worksheets[0].delete_rows(42)
    book.worksheets[0].append(("without a label", None, None, "=1"))
    book.save(tmp_path / "a.xlsx")
    assert load(tmp_path / "a.xlsx", label_columns=["a", "b"]).labels == ("a", "b"), "formulas elsewhere do not matter"


def test_spaces_around_names_of_columns_are_no_part_of_them(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"\ntext , label\n{cells(PAIRS)}")
    found = tables.read(tmp_path / "a.csv", {"label": "", "text": ""}, Format())
    assert found.columns == ("text", "label")
    assert list(zip(found.table["text"].to_pylist(), found.table["label"].to_pylist(), strict=True)) == PAIRS


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_few_zero_bytes_are_told_wherever_they_stand(encoding: str, tmp_path: Path) -> None:
    rows = [(text.replace("text 30", "te\0xt 30"), label) for text, label in PAIRS]
    (tmp_path / "a.csv").write_bytes(cells([("text", "label"), *rows]).encode(encoding))
    splits = load(tmp_path / "a.csv")
    assert any("has 1 bytes that are zero (the first in line 32)" in note for note in splits.notes)
    assert "te\0xt 30" in {text for part in ("train", "validation", "test") for text, _ in rows_of(splits, part)}


def test_a_missing_reader_of_excel_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sheet(tmp_path / "a.xlsx")
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    with pytest.raises(DataError, match=r"pip install '\.\[xlsx\]'"):
        load(tmp_path / "a.xlsx")


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.txt", "a.jsonl", "a.json", "a.parquet"])
def test_words_of_programs_are_labels(name: str, tmp_path: Path) -> None:
    words = ["None", "NA", "null", "nan", "1e3", "true"]
    rows = [(f"text {i}", words[i % 6]) for i in range(120)]
    path = tmp_path / name
    if name == "a.parquet":
        pa.parquet.write_table(pa.table({"text": [t for t, _ in rows], "label": [n for _, n in rows]}), path)
    elif name.startswith("a.json"):
        records = [json.dumps({"text": text, "label": label}) for text, label in rows]
        path.write_text("\n".join(records) if name == "a.jsonl" else f"[{','.join(records)}]")
    else:
        path.write_text(cells([("text", "label"), *rows], "," if name == "a.csv" else "\t"))
    assert load(path).labels == tuple(sorted(words))


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
def test_booleans_are_labels(name: str, tmp_path: Path) -> None:
    rows = [{"text": f"text {i}", "label": i % 2 == 0} for i in range(40)]
    if name == "a.parquet":
        pa.parquet.write_table(pa.Table.from_pylist(rows), tmp_path / name)
    else:
        (tmp_path / name).write_text("\n".join(map(json.dumps, rows)))
    assert load(tmp_path / name).labels == ("false", "true")


def test_columns_keep_their_own_types_and_lists_of_classes_get_names(tmp_path: Path) -> None:
    features = Features({"text": Value("string"), "n": Value("int32"), "labels": List(ClassLabel(names=["joy", "anger"]))})
    rows = {"text": ["a", "b", "c"], "n": [1, 2, 3], "labels": [[1, 0], [], [1]]}
    Dataset.from_dict(rows, features).to_parquet(tmp_path / "a.parquet")
    found = tables.read(tmp_path / "a.parquet", {"n": "", "labels": ""}, Format())
    assert found.table.column_names == ["n", "labels"] and found.table.schema.field("n").type == pa.int32()
    assert found.table.column("labels").to_pylist() == [["anger", "joy"], [], ["anger"]]
    assert found.columns == ("text", "n", "labels")


def test_a_stray_mark_is_found_in_every_form(tmp_path: Path) -> None:
    lines = ["text,label,remark", *(f"text {i},l{i % 2},x" for i in range(100))]
    lines[10], lines[90] = 'text,l1,"x', 'text,l0,y"'
    forms = {
        "cr.csv": "\r".join([*lines, '"two\nlines",l1,x']).encode(),
        "utf16.csv": "\r\n".join(lines).encode("utf-16"),
        "packed.csv.gz": gzip.compress("\n".join(lines).encode()),
        "sep.csv": "\n".join(["sep=,", *lines]).encode(),
        "pipe.txt": "\n".join(lines).replace(",", "|").encode(),
    }
    for name, content in forms.items():
        (tmp_path / name).write_bytes(content)
        row = 12 if name == "sep.csv" else 11
        with pytest.raises(DataError, match=rf"row {row}: a quotation mark opens a cell of 81 lines.*data\.quoting=false"):
            load(tmp_path / name)
        assert name == "cr.csv" or len(load(tmp_path / name, quoting=False).test) == 20
