"""Labels are renamed and merged by a file, rare ones merged or dropped; what was done is told with counts."""

from pathlib import Path

import pytest

from pipeline.data.renaming import Renaming
from pipeline.data.splits import Splits
from pipeline.errors import DataError
from tests.conftest import write_csv
from tests.data.test_files import load, rows_of

SIZES = {"big": 40, "Big": 20, "no": 30, "rare": 3, "rarer": 2}
ROWS = [(f"{label} {i}", label) for label, size in SIZES.items() for i in range(size)]
FILES = {
    "a.csv": "old,new\nBig, big \nno,yes\n", "b.csv": "old;new\r\nBig;big\r\n\r\nno;yes\r\n",
    "a.tsv": "\ufeffold\tnew\nBig\tbig\nno\tyes\n", "a.yaml": "# merged\nBig: big\nno: 'yes'\n",
    "a.yml": "{Big: big, no: yes}",
    "a.json": '{"Big": "big", "no": "yes"}',
}  # fmt: skip


@pytest.fixture
def train(tmp_path: Path) -> Path:
    return write_csv(tmp_path / "train.csv", ROWS)


def sizes(splits: Splits) -> dict[str, int]:
    rows = [row for name in ("train", "validation", "test") for row in rows_of(splits, name)]
    return {label: sum(found == label for _, found in rows) for label in splits.labels}


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_any_kind_renames_and_merges(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(FILES[name], encoding="utf-8", newline="")
    assert Renaming.read(tmp_path / name).names == {"Big": "big", "no": "yes"}


def test_renamed_labels_are_told_with_counts(train: Path, tmp_path: Path) -> None:
    (tmp_path / "names.csv").write_text(FILES["a.csv"])
    splits = load(train, rename_labels=str(tmp_path / "names.csv"), oos_label="yes")
    assert sizes(splits) == {"big": 60, "yes": 30, "rare": 3, "rarer": 2} and splits.labels[splits.oos or 0] == "yes"
    assert splits.notes[0] == (
        f"{tmp_path / 'names.csv'}: labels renamed: 'Big' to 'big' (20 rows), 'no' to 'yes' (30 rows); 5 labels are 4 now"
    )


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", "old,new\nbigg,x\n", "no label 'bigg'; did you mean big?"),
        ("a.csv", "big,x\n", "the first line must be old,new"),
        ("a.csv", "old,new\nbig,x,y\n", "3 cells"),
        ("a.csv", "old,new\nbig,\n", "a name is empty"),
        ("a.csv", "old,new\nbig,x\nbig,y\n", "'big' is given twice"),
        ("a.csv", "old,new\ncaf\udce9,x\n", "utf-8"),
        ("a.yaml", "- big\n", "must be a mapping"),
        ("a.yaml", "big: [x]\n", "must be a mapping"),
        ("a.yaml", "big: x\nbig: y\n", "'big' is given twice"),
        ("a.yaml", "big: 'x\n", "quoted scalar"),
        ("a.json", '["big"]', "must be one object"),
        ("a.json", '{"big": 1}', "must be one object"),
        ("a.json", "{", "Expecting"),
        ("a.txt", "", "unknown type of file"),
        ("none/a.csv", None, "No such file"),
    ],
)
def test_a_mistake_in_the_file_is_one_line(name: str, content: str | None, words: str, train: Path, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(DataError) as caught:
        load(train, rename_labels=str(tmp_path / name))
    assert words in str(caught.value) and str(tmp_path / name) in str(caught.value) and str(caught.value).isprintable()


def test_rare_classes_are_merged_or_dropped_from_all_splits(train: Path, tmp_path: Path) -> None:
    test = str(write_csv(tmp_path / "test.csv", [("x", "rare"), ("y", "big"), ("z", "no")]))
    merged = load(train, test=test, min_class_size=5)
    assert merged.labels == ("Big", "big", "no", "other") and rows_of(merged, "test")[0] == ("x", "other")
    assert sizes(merged)["other"] == 6
    told = "data.min_class_size=5: 2 of 5 classes have fewer rows in train and were"
    assert f"{told} merged into 'other' (5 rows of train, 1 rows of test): 'rare', 'rarer'" in merged.notes
    dropped = load(train, test=test, min_class_size=5, rare_classes="drop")
    assert dropped.labels == ("Big", "big", "no") and rows_of(dropped, "test") == [("y", "big"), ("z", "no")]
    assert f"{told} dropped (5 rows of train, 1 rows of test): 'rare', 'rarer'" in dropped.notes
    assert load(train, test=test, min_class_size=2).content_hash == load(train, test=test).content_hash


def test_the_out_of_scope_label_is_never_rare_and_one_class_is_too_few(train: Path) -> None:
    splits = load(train, min_class_size=25, rare_classes="drop", oos_label="rare")
    assert splits.labels == ("big", "no", "rare")
    with pytest.raises(DataError, match="only one class"):
        load(train, min_class_size=35, rare_classes="drop")
