"""Quotation marks in CSV and TSV: no row is swallowed without a word."""

from pathlib import Path

import pytest

from pipeline.data.splits import Splits
from pipeline.errors import DataError
from tests.data.test_files import load

ROWS = [f"text number {i},l{i % 2}" for i in range(1000)]


def written(path: Path, rows: list[str], header: str = "text,label") -> Path:
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def count(splits: Splits) -> int:
    return len(splits.train) + len(splits.validation) + len(splits.test)


def swallowing(first: str, last: str, start: int = 100, end: int = 900) -> list[str]:
    return [*ROWS[:start], first, *ROWS[start + 1 : end], last, *ROWS[end + 1 :]]


SWALLOWED: dict[str, tuple[list[str], str, list[str]]] = {
    "up to a mark inside of a text": (
        swallowing('"oh what,l1', 'he said "hi there,l0'), "text,label", ["line 102", "801 lines"],
    ),
    "up to a mark at the end of a text": (
        swallowing('"oh what,l1', 'a pipe of 5",l0'), "text,label", ["row 102", "800 of which look like rows"],
    ),
    "of two neighbours": (
        swallowing('"oh what,l1', 'he said "hi,l0', 100, 101), "text,label", ["line 102", "2 lines"],
    ),
    "where the text is the last column": (
        swallowing('l1,"oh what', 'l0,a pipe of 5"'), "label,text", ["row 102", "rows of their own"],
    ),
    "in a column that is not used": (
        [f"text number {i},l{i % 2},{n}" for i in range(1000) for n in ['"x' if i == 100 else 'y"' if i == 900 else "z"]],
        "text,label,remark", ["row 102", "rows of their own"],
    ),
    "up to the end": ([*ROWS[:100], '"oh what,l1', *ROWS[100:]], "text,label", ["line 102", "never closed"]),
}  # fmt: skip


@pytest.mark.parametrize("case", SWALLOWED)
def test_a_stray_mark_that_swallows_rows_of_a_csv_is_an_error_with_the_place(case: str, tmp_path: Path) -> None:
    rows, header, words = SWALLOWED[case]
    if header == "label,text":
        rows = [",".join(reversed(row.split(","))) if row in ROWS else row for row in rows]
    with pytest.raises(DataError) as caught:
        load(written(tmp_path / "a.csv", rows, header))
    assert all(word in str(caught.value) for word in [*words, "data.quoting=false"]), caught.value
    assert len(str(caught.value)) < 500


def test_without_quoting_a_mark_is_a_character(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", swallowing('"oh what,l1', 'he said "hi there,l0'))
    splits = load(path, quoting=False)
    assert count(splits) == 1000
    assert {'"oh what', 'he said "hi there'} <= {text for part in ("train", "test", "validation") for text in
                                                 getattr(splits, part)["text"]}  # fmt: skip


def test_a_tsv_does_not_quote(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [row.replace(",", "\t") for row in swallowing('"oh what,l1', 'he said "hi there,l0')]
    splits = load(written(tmp_path / "a.tsv", rows, "text\tlabel"))
    assert count(splits) == 1000 and not [each for each in caplog.records if each.levelname == "WARNING"]


@pytest.mark.parametrize("rows", [['"text ""{}"""\tl{}', "plain {}\tl{}"], ['"text {}"\t"l{}"'], ['"text {}"\tl{}']])
def test_a_tsv_whose_marks_all_quote_is_read_so(rows: list[str], tmp_path: Path) -> None:
    path = written(tmp_path / "a.tsv", [rows[i % len(rows)].format(i, i // 2 % 2) for i in range(40)], "text\tlabel")
    splits = load(path)
    assert splits.content_hash == load(path, quoting=True).content_hash != load(path, quoting=False).content_hash
    assert splits.labels == ("l0", "l1") and not any(text.startswith('"') for text in splits.train["text"])


def test_a_tsv_in_which_a_few_texts_are_in_marks_is_told_and_kept(tmp_path: Path) -> None:
    rows = [f'"text {i}"\tl{i % 2}' if i < 5 else f"text {i}\tl{i % 2}" for i in range(40)]
    [note] = load(written(tmp_path / "a.tsv", rows, "text\tlabel")).notes
    assert "5 of 40 cells of column 'text'" in note and "data.quoting=true" in note


def test_a_tsv_with_line_breaks_in_quotes_is_told_the_setting(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tsv", ['"two\nlines"\tl1'] * 20 + ["one\tl2"] * 20, "text\tlabel")
    with pytest.raises(DataError, match=r"data\.quoting=true"):
        load(path)
    assert count(load(path, quoting=True)) == 40


def test_what_is_dropped_behind_a_closing_mark_is_counted(tmp_path: Path) -> None:
    splits = load(written(tmp_path / "a.csv", [*ROWS[:50], '"Great" product,l1', '"Bad, old" one,l0']))
    [note] = splits.notes
    assert "2 cells" in note and "line 52" in note


def test_marks_behind_a_space_are_told_and_kept(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\n" + "".join(f'text {i}, "l{i % 2}"\n' for i in range(40)))
    splits = load(tmp_path / "a.csv")
    assert splits.labels == ('"l0"', '"l1"')
    assert any("40 of 40 cells of column 'label' are in quotation marks behind a space" in note for note in splits.notes)


def test_texts_of_many_lines_are_told_and_kept(tmp_path: Path) -> None:
    letter = '"Dear all,\n' + "we write, as ever,\n" * 30 + 'yours"'
    splits = load(written(tmp_path / "a.csv", [*ROWS[:50], f"{letter},l1"]))
    [note] = splits.notes
    assert "51 rows in 83 lines" in note and "32 lines (row 52)" in note


def test_texts_of_a_few_lines_are_not_worth_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert count(load(written(tmp_path / "a.csv", ['"two, or\n""more"" lines",l1', "one,l2"] * 20))) == 40
    assert [r for r in caplog.records if r.levelname == "WARNING" and "line" in r.getMessage()] == []


def test_given_quoting_is_a_word_to_be_believed(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", [*ROWS[:50], '"a table:\nx,l0\ny,l1\nz",l1'])
    with pytest.raises(DataError, match=r"row 52.*if they are lines of one text, set data\.quoting=true"):
        load(path)
    assert count(load(path, quoting=True)) == 51


def test_a_header_alone_is_an_empty_split(tmp_path: Path) -> None:
    for header in ("text,label,id\n", "text,label"):
        path = tmp_path / "a.csv"
        path.write_text(header, encoding="utf-8")
        with pytest.raises(DataError, match="the train split is empty"):
            load(path)


def test_a_quoted_header_of_a_tsv_says_that_it_quotes(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tsv", [*(f"text {i}\tl{i % 2}" for i in range(40)), '"two\nlines"\tl1'], '"text"\t"label"')
    assert count(load(path)) == 41
    with pytest.raises(DataError, match=r"its header is quoted.*data\.quoting=true"):
        load(path, quoting=False)


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
@pytest.mark.parametrize("end", ["\r", "\r\n", "\n"])
def test_every_kind_of_line_end_is_read(name: str, end: str, tmp_path: Path) -> None:
    rows = ["text,label", *ROWS[:60], "last,"]
    path = tmp_path / name
    path.write_bytes((end.join(rows) + end).replace(",", "," if name == "a.csv" else "\t").encode())
    with pytest.raises(DataError, match=r"an empty label.*row 62, column 'label'"):
        load(path)


@pytest.mark.parametrize("size", [200_000, 20_000_000])
def test_a_long_text_is_read_whole(size: int, tmp_path: Path) -> None:
    long = ("word " * (size // 5)).strip()
    rows = [f'"{long}",l0', *ROWS[:60], ",l1"]
    with pytest.raises(DataError, match="row 63"):
        load(written(tmp_path / "a.csv", rows))
    splits = load(written(tmp_path / "a.csv", rows[:-1]))
    assert max(len(text) for part in ("train", "test", "validation") for text in getattr(splits, part)["text"]) == len(long)


def test_two_columns_of_one_name_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="2 columns are called 'text'"):
        load(written(tmp_path / "a.csv", ["a,l1,b"], "text,label,text"))
