"""Real files as people send them: each reads, or ends with a line that has the settings with which it reads."""

import re
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import DataError
from tests.data.test_files import load, rows_of

MESSY = Path(__file__).resolve().parents[3] / "shared" / "data" / "messy"
pytestmark = pytest.mark.skipif(not MESSY.is_dir(), reason=f"{MESSY} is missing")
GERMAN = ("array.json", "records_key.json", "cr_only.csv", "excel_sep_line.csv", "tab_utf16.txt")
BY_NUMBER = {"header": False, "text_column": "1", "label_column": "2"}
READ: dict[str, tuple[dict[str, Any], int, tuple[str, ...]]] = {
    **{name: ({}, 300, ("OFFENSE", "OTHER")) for name in (*GERMAN, "lone_quotes.tsv")},
    "germeval_semicolon_bom.csv": ({}, 399, ("OFFENSE", "OTHER")),
    "label_words.csv": ({}, 300, ("1e3", "NA", "None", "nan", "null", "true")),
    "bad_rows.csv": ({"on_bad_rows": "drop"}, 297, ("OFFENSE", "OTHER")),
    "hundred_classes_of_five.csv": ({}, 500, tuple(sorted(f"kind {number}" for number in range(100)))),
    "semicolon_cp1252.csv": ({"encoding": "cp1252"}, 300, ("OFFENSE", "OTHER")),
    "germeval_no_header.tsv": (BY_NUMBER, 300, ("OFFENSE", "OTHER")),
    "sms_spam_cp1252.csv": ({"encoding": "cp1252", "text_column": "v2", "label_column": "v1"}, 5572, ("ham", "spam")),
    "youtube_spam_no_header.csv": (
        BY_NUMBER | {"encoding": "mac_roman", "text_column": "2", "label_column": "1"}, 350, ("ham", "spam"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_a_messy_file_reads_or_says_with_which_setting(name: str) -> None:
    settings, count, labels = READ[name]
    given: dict[str, Any] = {}
    while given != settings:  # each message names the next setting
        with pytest.raises(DataError) as caught:
            load(MESSY / name, **given)
        named = [key for key in re.findall(r"data\.(\w+)=", str(caught.value)) if key not in given and key in settings]
        assert named and str(caught.value).isprintable(), caught.value
        if named[0] == "encoding":
            assert f"data.encoding={settings['encoding']}" in str(caught.value) and "\\n" not in str(caught.value)
        given |= {key: settings[key] for key in named}
    splits = load(MESSY / name, **given)
    assert sum(len(getattr(splits, part)) for part in ("train", "validation", "test")) == count
    assert splits.labels == labels


def test_a_label_that_train_lacks_is_dropped_if_that_is_set() -> None:
    train, test = MESSY.parent / "germeval2018" / "train.csv", str(MESSY / "unseen_label_test.csv")
    with pytest.raises(DataError, match=r"2 with a label that train lacks .*'INSULT'.*data\.on_bad_rows=drop"):
        load(train, test=test)
    splits = load(train, test=test, on_bad_rows="drop")
    assert splits.labels == ("OFFENSE", "OTHER") and len(splits.test) == 298 and splits.metrics == {"data/dropped_rows": 2}


def test_a_hundred_classes_of_five_get_splits() -> None:
    splits = load(MESSY / "hundred_classes_of_five.csv")
    assert (len(splits.validation), len({*splits.validation["label"]})) == (50, 50)
    assert (len(splits.test), len({*splits.test["label"]}), len({*splits.train["label"]})) == (100, 100, 100)


def test_one_set_of_texts_in_five_forms_is_one_set() -> None:
    found = {name: load(MESSY / name).content_hash for name in GERMAN}
    assert len(set(found.values())) == 1, found
    lone = load(MESSY / "lone_quotes.tsv")
    texts = [text for part in ("train", "validation", "test") for text, _ in rows_of(lone, part)]
    assert sum(text.startswith('"') for text in texts) == 6 and sum(text.endswith('"') for text in texts) == 6
