"""Data from files: every format reads alike, what is cut off and how, and the content hash."""

import csv
import gzip
import json
import logging
import tracemalloc
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from pipeline.data.sources import Files
from pipeline.data.splits import Splits
from pipeline.errors import DataError
from tests.conftest import write_csv

Rows = Sequence[tuple[str, str | int | float]]


def load(train: Path, seed: int = 1, **settings: Any) -> Splits:
    return Files(kind="files", name="toy", train=str(train), **settings).load(seed)


def rows_of(splits: Splits, name: str) -> list[tuple[str, str]]:
    split = getattr(splits, name)
    return [(text, splits.labels[label]) for text, label in zip(split["text"], split["label"], strict=True)]


def separated(delimiter: str, start: str = "", end: str = "\n", encoding: str = "utf-8") -> Callable[[Path, Rows], Path]:
    def write(path: Path, rows: Rows) -> Path:
        lines = [delimiter.join(map(str, row)) + end for row in [("text", "label"), *rows]]
        path.write_bytes((start + "".join(lines)).encode(encoding))
        return path

    return write


def json_lines(path: Path, rows: Rows) -> Path:
    path.write_text("".join(json.dumps({"id": i, "label": r[1], "text": r[0]}) + "\n" for i, r in enumerate(rows)))
    return path


def parquet(path: Path, rows: Rows) -> Path:
    texts, labels = zip(*rows, strict=True)
    pa.parquet.write_table(pa.table({"label": labels, "other": texts, "text": texts}), path)
    return path


def json_array(key: str | None) -> Callable[[Path, Rows], Path]:
    def write(path: Path, rows: Rows) -> Path:
        records = [{"id": i, "label": label, "text": text} for i, (text, label) in enumerate(rows)]
        path.write_text(
            json.dumps({"version": "1", "empty": [], key: records} if key else records, indent=1), encoding="utf-8"
        )
        return path

    return write


def workbook(path: Path, rows: Rows) -> Path:
    book = openpyxl.Workbook()
    for row in [("text", "label"), *rows]:
        book.worksheets[0].append(row)
    book.save(path)
    return path


def zipped(write: Callable[[Path, Rows], Path]) -> Callable[[Path, Rows], Path]:
    def write_zipped(path: Path, rows: Rows) -> Path:
        path.write_bytes(gzip.compress(write(path, rows).read_bytes()))
        return path

    return write_zipped


FORMATS: dict[str, Callable[[Path, Rows], Path]] = {
    "a.csv": separated(","), "windows.CSV": separated(",", "\ufeff", "\r\n"), "a.tsv": separated("\t"),
    "a.jsonl": json_lines, "a.parquet": parquet,
    "semicolon.csv": separated(";", "\ufeff"), "pipe.txt": separated("|"), "tab.csv": separated("\t"),
    "comma.tsv": separated(","), "sep.csv": separated(";", "sep=;\r\n", "\r\n"), "cr.txt": separated("\t", end="\r"),
    "utf16.txt": separated("\t", end="\r\n", encoding="utf-16"),
    "array.json": json_array(None), "records.json": json_array("data"), "lines.json": json_lines,
    "a.csv.gz": zipped(separated(",")), "a.JSONL.GZ": zipped(json_lines),
    "utf16.csv.gz": zipped(separated(";", encoding="utf-16")), "a.xlsx": workbook,
}  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_reads_alike(name: str, tmp_path: Path, toy_csv: Path, toy_rows: list[tuple[str, str]]) -> None:
    splits, plain = load(FORMATS[name](tmp_path / name, toy_rows)), load(toy_csv)
    assert splits.labels == ("food", "music", "weather") and splits.oos is None
    assert splits.content_hash == plain.content_hash
    assert all(rows_of(splits, part) == rows_of(plain, part) for part in ("train", "validation", "test"))


@pytest.mark.parametrize("name", FORMATS)
def test_whole_numbers_are_labels_in_numerical_order(name: str, tmp_path: Path) -> None:
    splits = load(FORMATS[name](tmp_path / name, [(f"text {i}", i % 12 - 1) for i in range(120)]))
    assert splits.labels == tuple(str(i) for i in range(-1, 11))
    assert all(int(text.split()[1]) % 12 - 1 == int(label) for text, label in rows_of(splits, "train"))


@pytest.mark.parametrize("odd", ["ten", "-", "--3", "²", "1.5.2"])
def test_labels_that_are_not_all_numbers_are_in_alphabetical_order(odd: str, tmp_path: Path) -> None:
    rows = [(f"text {i}", ("10", "9", odd)[i % 3]) for i in range(60)]
    assert load(write_csv(tmp_path / "a.csv", rows)).labels == tuple(sorted(["10", "9", odd]))


def test_columns_have_the_names_that_the_user_gives(tmp_path: Path, toy_rows: list[tuple[str, str]], toy_csv: Path) -> None:
    path = write_csv(tmp_path / "mine.csv", toy_rows, ("utterance", "category"))
    assert load(path, text_column="utterance", label_column="category").content_hash == load(toy_csv).content_hash


def test_texts_come_through_as_they_are(tmp_path: Path) -> None:
    texts = ['say "hi", twice', "two\nlines", "NULL", "NA", "1", "true", "2024-01-01", " spaced ", "näïve ☕", "a\tb"]
    write_csv(tmp_path / "a.csv", [(text, "ab"[i % 2]) for i, text in enumerate(texts)])
    path = tmp_path / "a.csv"
    assert load(path, validation=str(path), test=str(path)).train["text"][:] == texts


def test_missing_splits_are_cut_off_stratified_and_nothing_is_lost(tmp_path: Path) -> None:
    sizes = {"many": 200, "some": 50, "few": 10, "one": 1}
    rows = [(f"{label} {i}", label) for label, size in sizes.items() for i in range(size)]
    splits = load(write_csv(tmp_path / "a.csv", rows), validation_fraction=0.1, test_fraction=0.2)
    parts = {name: rows_of(splits, name) for name in ("train", "validation", "test")}
    assert sorted(row for part in parts.values() for row in part) == sorted(rows)
    counts = {name: Counter(label for _, label in part) for name, part in parts.items()}
    assert counts["test"] == {"many": 40, "some": 10, "few": 2}
    assert counts["validation"] == {"many": 20, "some": 5, "few": 1}
    assert set(counts["train"]) == set(sizes)
    halves = load(tmp_path / "a.csv", validation_fraction=0.5, test_fraction=0.5)
    assert {label for _, label in rows_of(halves, "train")} == set(sizes)


def test_the_cut_is_decided_by_the_seed(toy_csv: Path) -> None:
    first, again, other = load(toy_csv, seed=1), load(toy_csv, seed=1), load(toy_csv, seed=2)
    assert first.content_hash == again.content_hash and rows_of(first, "test") == rows_of(again, "test")
    assert first.content_hash != other.content_hash and rows_of(first, "test") != rows_of(other, "test")


def test_a_split_that_is_given_is_left_alone(tmp_path: Path, toy_csv: Path, toy_rows: list[tuple[str, str]]) -> None:
    mine = [("is it windy", "weather"), ("sing", "music")]
    splits = load(toy_csv, test=str(write_csv(tmp_path / "test.csv", mine)))
    assert rows_of(splits, "test") == mine and len(splits.validation) == 9
    assert sorted(rows_of(splits, "train") + rows_of(splits, "validation")) == sorted(toy_rows)


def test_the_content_hash_is_of_texts_labels_and_their_order_alone(tmp_path: Path, toy_rows: list[tuple[str, str]]) -> None:
    def hashed(folder: str, rows: Rows, test: Rows = (("ab", "food"), ("c", "music")), name: str = "a.csv") -> str:
        (tmp_path / folder).mkdir()
        train, held = (
            FORMATS[name](tmp_path / folder / f"{part}{name}", r) for part, r in (("train", rows), ("test", test))
        )
        return load(train, validation=str(held), test=str(held)).content_hash

    first, second, *rest = toy_rows
    same = {hashed("a", toy_rows), hashed("b", toy_rows), hashed("c", toy_rows, name="a.parquet")}
    assert len(same) == 1
    changed = [
        hashed("text", [("other", first[1]), second, *rest]),
        hashed("label", [(first[0], "food"), second, *rest]),
        hashed("order", [second, first, *rest]),
        hashed("fewer", [second, *rest]),
        hashed("boundary", toy_rows, [("a", "food"), ("bc", "music")]),
        hashed("names", [(text, label.upper()) for text, label in toy_rows], [("ab", "FOOD"), ("c", "MUSIC")]),
    ]
    assert len({*changed, *same}) == len(changed) + 1


def test_the_out_of_scope_label_is_found(toy_csv: Path) -> None:
    assert load(toy_csv, oos_label="music").oos == 1


def test_texts_in_two_splits_are_counted_in_a_warning(
    tmp_path: Path, toy_csv: Path, toy_rows: list[tuple[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    test = write_csv(tmp_path / "test.csv", [*toy_rows[:3], ("new", "food")])
    validation = write_csv(tmp_path / "validation.csv", [("new", "food"), ("newer", "food")])
    with caplog.at_level(logging.WARNING):
        load(toy_csv, validation=str(validation), test=str(test))
    counts = [record.getMessage() for record in caplog.records]
    assert [line.split("warning: ")[1] for line in counts] == [
        "the validation split (2 texts) lacks 2 of 3 classes: 'music', 'weather'",
        "the test split (4 texts) lacks 1 of 3 classes: 'music'",
        "3 of 4 test texts are also in train (3 without regard to case and white space)",
        "1 of 4 test texts are also in validation (1 without regard to case and white space)",
    ]


def test_a_million_rows_do_not_become_python_objects(tmp_path: Path) -> None:
    numbers = pa.array(np.arange(1_000_000)).cast(pa.string())
    texts = pa.compute.binary_join_element_wise("this is text number", numbers, " ")
    labels = pa.array(np.arange(1_000_000) % 10)
    pa.csv.write_csv(pa.table({"text": texts, "label": labels}), tmp_path / "big.csv")
    write_csv(tmp_path / "warm.csv", [(f"text {i}", "ab"[i % 2]) for i in range(40)])
    load(tmp_path / "warm.csv")  # imports
    tracemalloc.start()
    splits = load(tmp_path / "big.csv")
    peak_mb = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    assert len(splits.train) + len(splits.validation) + len(splits.test) == 1_000_000
    assert peak_mb < 40  # row numbers and codes in NumPy take 25; as strings the texts alone would take 80


def test_texts_of_several_columns_are_joined_with_a_space(tmp_path: Path, toy_csv: Path) -> None:
    rows = [*((f"Title {i}", f"body\n{i}", "ab"[i % 2]) for i in range(40)), ("", "body", "a"), ("Title", " \t", "b")]
    with (tmp_path / "a.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("title", "body", "label"), *rows])
    path = tmp_path / "a.csv"
    splits = load(path, text_column=("title", "body"), validation=str(path), test=str(path))
    assert splits.train["text"][:2] == ["Title 0 body\n0", "Title 1 body\n1"]
    assert splits.train["text"][-2:] == ["body", "Title"]
    (tmp_path / "b.csv").write_text("title,body,label\na,b,x\n , ,y\n")
    with pytest.raises(DataError, match=r"row 3, column 'title, body'"):
        load(tmp_path / "b.csv", text_column=("title", "body"))
