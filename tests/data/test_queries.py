"""Texts to classify from a CSV or TSV: one answer for each row, whatever is in it."""

import gzip
import logging
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from pipeline.commands.predict import _parse, batches
from pipeline.data.queries import texts_of
from pipeline.errors import DataError


def written(path: Path, content: str) -> Path:
    path.write_bytes(content.encode())
    return path


def test_a_table_is_read_by_its_text_column(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", '\ufefftext,id\r\n"two\r\nlines, and ""more""",1\r\n=cmd,2\r\n,3\r\n')
    assert texts_of(path, "text") == ['two\r\nlines, and "more"', "=cmd", ""]
    assert texts_of(path, "id") == ["1", "2", "3"]
    assert texts_of(written(tmp_path / "a.tsv", 'text\tid\n"oh\t1\nhe said "hi\t2\n'), "text") == ['"oh', 'he said "hi']
    with pytest.raises(DataError, match=r"no column 'query'.*--text-column"):
        texts_of(path, "query")
    with pytest.raises(DataError, match="no such file"):
        texts_of(tmp_path / "none.csv", "text")


def test_a_stray_mark_is_told_here_too(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 2"):
        texts_of(written(tmp_path / "a.csv", 'text,id\n"oh,1\nhe said "hi,2\n'), "text")


def test_a_file_of_one_column_may_have_no_header(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert texts_of(written(tmp_path / "a.csv", "text\nrain\n\nsnow\n"), "text") == ["rain", "", "snow"]
        assert not caplog.records
        assert texts_of(written(tmp_path / "a.csv", '"is it\nsunny"\n\nsnow\n'), "text") == ["is it\nsunny", "", "snow"]
    assert "first row is answered as a text" in caplog.text


def test_predict_reads_tables_as_tables_and_other_files_by_lines(tmp_path: Path) -> None:
    table = written(tmp_path / "a.csv", 'id,query\n1,"two\nlines"\n2,rain\n')
    lines = written(tmp_path / "a.txt", "\ufefftext,id\nrain\n\n")
    overrides = ["--", "data=files", f"data.train={table}", "data.text_column=query", "backbone=tiny"]
    assert list(batches(_parse(["--file", str(table), *overrides]))) == [["two\nlines", "rain"]]
    assert list(batches(_parse(["--file", str(table), "--text-column", "id", "--model", "m"]))) == [["1", "2"]]
    both = [["two\nlines 1", "rain 2"]]
    overrides[-2] = "data.text_column=[query,id]"
    assert list(batches(_parse(["--file", str(table), *overrides]))) == both
    given = ["--text-column", "query", "--text-column", "id", "--model", "m"]
    assert list(batches(_parse(["--file", str(table), *given]))) == both
    assert list(batches(_parse(["--file", str(lines)]))) == [["text,id", "rain", ""]]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
@pytest.mark.parametrize("end", ["\n", "", "\n\n"])
def test_a_header_alone_has_no_texts(name: str, end: str, tmp_path: Path) -> None:
    content = f"text,label,id{end}".replace(",", "," if name == "a.csv" else "\t")
    assert texts_of(written(tmp_path / name, content), "text") == []


def test_json_lines_and_parquet_are_read_as_training_reads_them(tmp_path: Path) -> None:
    rows = ['{"id": 1, "query": "rain"}', '{"id": 2, "query": null}', '{"id": 3, "query": "two\\nlines"}']
    for name in ("a.jsonl", "a.ndjson", "a.json"):
        path = written(tmp_path / name, "\n".join(rows))
        options = _parse(["--file", str(path), "--text-column", "query", "--model", "m"])
        assert list(batches(options)) == [["rain", "", "two\nlines"]]
    parquet.write_table(pa.table({"text": ["rain", "snow"], "label": [0, 1]}), tmp_path / "a.parquet")
    assert list(batches(_parse(["--file", str(tmp_path / "a.parquet"), "--model", "m"]))) == [["rain", "snow"]]
    with pytest.raises(DataError, match=r"no column 'text'.*--text-column"):
        texts_of(path, "text")
    with pytest.raises(DataError, match="no such file"):
        texts_of(tmp_path / "none.jsonl", "text")


def test_whether_cells_are_quoted_can_be_said_with_and_without_settings(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", 'text,id\n"oh,1\nhe said "hi,2\n')
    with pytest.raises(DataError, match="set --quoting false"):
        texts_of(path, "text")
    texts = ['"oh', 'he said "hi']
    given = ["--", "data=files", f"data.train={path}", "data.quoting=false", "backbone=tiny"]
    for flags in (["--model", "m", "--quoting", "false"], ["--text-column", "text", *given]):
        assert list(batches(_parse(["--file", str(path), *flags]))) == [texts]


def test_other_forms_are_read_as_training_reads_them(tmp_path: Path) -> None:
    for header in ("text;label", '"text";"label"', "id;text;label"):
        rows = ["rain;a" if header.count(";") == 1 else "1;rain;a"] * 3
        assert texts_of(written(tmp_path / "a.csv", "\n".join([header, *rows])), "text") == ["rain"] * 3
    assert texts_of(written(tmp_path / "a.tsv", '"text"\nrain\n'), "text") == ["rain"]
    assert texts_of(written(tmp_path / "a.csv", "rain; snow\nhail\n"), "text") == ["rain; snow", "hail"]
    assert texts_of(written(tmp_path / "a.csv", "text\nrain, snow\nhail\n"), "text") == ["rain, snow", "hail"]
    table = "text\tid\r\nrain\t1\r\nsnow\t2\r\n"
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(table.encode("utf-16")))
    assert list(batches(_parse(["--file", str(tmp_path / "a.txt.gz"), "--model", "m"]))) == [["rain", "snow"]]
    (tmp_path / "b.txt").write_bytes("heiß, oder\nkühl\n".encode("cp1252"))
    with pytest.raises(DataError, match=r"line 1: not UTF-8, looks like cp1252: set --encoding cp1252"):
        list(batches(_parse(["--file", str(tmp_path / "b.txt"), "--model", "m"])))
    flags = ["--encoding", "cp1252", "--model", "m"]
    assert list(batches(_parse(["--file", str(tmp_path / "b.txt"), *flags]))) == [["heiß, oder", "kühl"]]


def test_a_file_without_a_header_is_read_by_numbers(tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt", "1|rain, or snow|a\n2|hail; sun|b\n")
    flags = ["--header", "false", "--text-column", "2", "--delimiter", "pipe", "--model", "m"]
    assert list(batches(_parse(["--file", str(path), *flags]))) == [["rain, or snow", "hail; sun"]]
    with pytest.raises(DataError, match=r"--header false --text-column NAME"):
        texts_of(written(tmp_path / "a.csv", "1,rain,a\n2,hail,b\n"), "text")
