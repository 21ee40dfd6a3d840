"""Several labels a text, in the three forms in which people have them."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, Features, List, Value

from pipeline.data.sources import Files
from pipeline.data.splits import Splits
from pipeline.errors import ConfigError, DataError
from tests.conftest import write_csv

GOEMOTIONS = Path(__file__).resolve().parents[3] / "shared" / "data" / "goemotions"
OWN = [["joy"], ["anger", "joy"], [], ["love"], ["anger"]]
ROWS = [(f"text {number}", OWN[number % 5]) for number in range(100)]


def loaded(path: Path, **settings: object) -> Splits:
    return Files("files", "toy", None, train=str(path), **settings).load(0)  # type: ignore[arg-type]


def names(splits: Splits) -> dict[str, list[str]]:
    """Each text's labels, over all splits."""
    found = dict[str, list[str]]()
    for split in (splits.train, splits.validation, splits.test):
        found |= {row["text"]: [splits.labels[index] for index in row["label"]] for row in split}
    return found


def in_each_form(folder: Path) -> dict[str, Splits]:
    joined = write_csv(folder / "joined.csv", [(text, " | ".join(own)) for text, own in ROWS])
    columns = folder / "columns.csv"
    marks = [f"{text},{int('anger' in own)},{int('joy' in own)},{int('love' in own)}" for text, own in ROWS]
    columns.write_text("\n".join(["text,anger,joy,love", *marks]) + "\n")
    lines = folder / "lists.jsonl"
    lines.write_text("".join(json.dumps({"text": text, "label": own}) + "\n" for text, own in ROWS))
    features = Features({"text": Value("string"), "label": List(ClassLabel(names=["love", "joy", "anger"]))})
    rows = {"text": [text for text, _ in ROWS], "label": [own for _, own in ROWS]}
    Dataset.from_dict(rows, features).to_parquet(folder / "lists.parquet")
    pq.write_table(pa.table(rows), folder / "names.parquet")
    return {
        "joined": loaded(joined, label_separator="|"),
        "columns": loaded(columns, label_columns=["anger", "joy", "love"]),
        **{name: loaded(folder / name) for name in ("lists.jsonl", "lists.parquet", "names.parquet")},
    }


def test_each_form_gives_the_same_data(tmp_path: Path) -> None:
    forms = in_each_form(tmp_path)
    first = forms["joined"]
    assert first.task.name == "multi_label" and first.labels == ("anger", "joy", "love") and first.oos is None
    assert names(first) == {text: sorted(own) for text, own in ROWS}
    assert {each.content_hash for each in forms.values()} == {first.content_hash}
    assert first.train.features["label"] == List(ClassLabel(names=["anger", "joy", "love"]))
    assert any("spaces around" in note for note in first.notes)
    assert any("train texts have no label" in note for note in first.notes)
    sizes = {name: len(split) for name, split in (("test", first.test), ("validation", first.validation))}
    assert sizes == {"test": 20, "validation": 10}
    shares = [np.mean([not own for own in split["label"]]) for split in (first.train, first.test, first.validation)]
    assert shares == pytest.approx([0.2] * 3, abs=0.03), "the drawn splits are stratified"


def test_other_labels_or_another_order_are_other_data(tmp_path: Path) -> None:
    one = loaded(write_csv(tmp_path / "one.csv", [(text, "|".join(own)) for text, own in ROWS]), label_separator="|")
    turned = [(ROWS[-1 - number][0], "|".join(own)) for number, (_, own) in enumerate(ROWS)]
    other = loaded(write_csv(tmp_path / "other.csv", turned), label_separator="|")
    assert one.content_hash != other.content_hash


@pytest.mark.parametrize(
    ("content", "settings", "message"),
    [
        ("text,label\na,x|y\n,x\n", {"label_separator": "|"}, "with an empty text .*row 3, column 'text'"),
        ("text,label\n" + "a,x\nb,x\n" * 9, {"label_separator": "|"}, "only one class"),
        ("text,x,y\na,1,0\nb,2,1\n", {"label_columns": ["x", "y"]}, "column 'x': '2' is neither 0 nor 1"),
        ("text,x,y\na,1,0\n", {"label_columns": ["x", "z"]}, "no column 'z'.*data.label_columns="),
        ("text,label\na,x|y\n", {"label_separator": "|", "oos_label": "x"}, "data.oos_label=x: .* one label a text only"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, content: str, settings: dict[str, object], message: str) -> None:
    path = tmp_path / "data.csv"
    path.write_text(content)
    source = Files("files", "toy", settings.pop("oos_label", None), train=str(path), **settings)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=message):
        source.load(0)


def test_a_label_that_train_lacks_is_told_with_its_row(tmp_path: Path) -> None:
    train = write_csv(tmp_path / "train.csv", [(text, "|".join(own)) for text, own in ROWS])
    test = write_csv(tmp_path / "test.csv", [("a", "joy"), ("b", "joy|fear")])
    with pytest.raises(DataError, match=r"with a label that train lacks .*test.csv, row 3, column 'label': 'fear'"):
        loaded(train, test=str(test), label_separator="|")


def test_labels_in_lists_are_renamed_merged_and_dropped_and_rows_that_are_bad_too(tmp_path: Path) -> None:
    own = ["joy|bliss", "anger", "love", "", "joy"] * 20
    rows = [(f"text {number}", each) for number, each in enumerate(own)]
    train = write_csv(tmp_path / "train.csv", [*rows, ("seldom", "love|rare"), ("", "joy")])
    test = write_csv(tmp_path / "test.csv", [("a", "joy"), ("b", "joy|fear"), ("c", "love|bliss|rare")])
    renaming = write_csv(tmp_path / "names.csv", [("bliss", "joy")], ("old", "new"))
    settings: dict[str, object] = {
        "test": str(test), "label_separator": "|", "on_bad_rows": "drop", "rename_labels": str(renaming),
    }  # fmt: skip
    splits = loaded(train, **settings)
    assert splits.labels == ("anger", "joy", "love", "rare") and len(splits.test) == 2
    assert splits.rows["dropped: bad rows"] == {"train": -1, "test": -1}
    assert names(splits)["c"] == ["joy", "love", "rare"] and names(splits)["text 5"] == ["joy"], "two of one name are one"
    assert any("'bliss' to 'joy' (21 rows); 6 labels are 5 now" in note for note in splits.notes), splits.notes
    dropped = loaded(train, **settings, min_class_size=2, rare_classes="drop")
    assert dropped.labels == ("anger", "joy", "love")
    assert names(dropped)["c"] == ["joy", "love"] and names(dropped)["seldom"] == ["love"], "the rows stay"
    merged = loaded(train, **settings, min_class_size=2)
    assert merged.labels == ("anger", "joy", "love", "other") and names(merged)["seldom"] == ["love", "other"]


def test_a_column_without_a_one_is_no_label_and_told(tmp_path: Path) -> None:
    rows = "".join(f"text {number},0,{number % 2},{(number + 1) % 2}\n" for number in range(40))
    (tmp_path / "a.csv").write_text(f"text,grief,joy,love\n{rows}")
    splits = loaded(tmp_path / "a.csv", label_columns=["grief", "joy", "love"])
    assert splits.labels == ("joy", "love")
    assert [note.partition(": ")[2] for note in splits.notes] == ["1 of 3 label columns have no 1: 'grief'"]


def test_a_separator_and_columns_exclude_each_other_and_lists_need_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"with one column of 0 and 1 set data\.label_column=a"):
        Files("files", "toy", None, train="train.csv", label_columns=["a"])
    with pytest.raises(ConfigError, match="give one of them"):
        Files("files", "toy", None, train="train.csv", label_separator="|", label_columns=["a", "b"])
    (tmp_path / "lists.jsonl").write_text('{"text": "a", "label": ["x"]}\n')
    with pytest.raises(DataError, match="holds lists already; remove the setting"):
        loaded(tmp_path / "lists.jsonl", label_separator="|")


def test_joined_labels_that_are_taken_for_single_ones_are_told_with_the_setting(tmp_path: Path) -> None:
    splits = loaded(write_csv(tmp_path / "joined.csv", [(text, "|".join(own) or "none") for text, own in ROWS]))
    assert splits.task.name == "single_label"
    assert any("set data.label_separator='|'" in note for note in splits.notes)


@pytest.mark.skipif(not GOEMOTIONS.is_dir(), reason="needs ../shared/data/goemotions")
def test_goemotions_has_28_labels_joined_or_one_column_each() -> None:
    joined = loaded(GOEMOTIONS / "test.csv", label_column="labels", label_separator="|")
    assert len(joined.labels) == 28 and joined.labels[-1] == "surprise"
    columns = loaded(GOEMOTIONS / "test_onehot.csv", label_columns=list(joined.labels))
    assert columns.content_hash == joined.content_hash
