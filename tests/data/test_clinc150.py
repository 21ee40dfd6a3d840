"""CLINC150 from the authors' file, where it is; and one line for a file that is not theirs."""

import json
from collections import Counter
from pathlib import Path

import pytest

from pipeline.data.sources import Clinc150
from pipeline.data.splits import Splits
from pipeline.errors import DataError
from tests.conftest import CLINC150

KEYS = ("train", "val", "test", "oos_train", "oos_val", "oos_test")
there = pytest.mark.skipif(not CLINC150.is_file(), reason="the authors' data_oos_plus.json is not in shared/data/clinc150")


def load(path: Path) -> Splits:
    return Clinc150(kind="clinc150", name="clinc150", oos_label="oos", path=str(path)).load(seed=1)


@pytest.fixture(scope="module")
def clinc() -> Splits:
    return load(CLINC150)


@there
def test_it_has_the_sizes_of_the_plus_configuration(clinc: Splits) -> None:
    assert (len(clinc.train), len(clinc.validation), len(clinc.test)) == (15_250, 3_100, 5_500)


@there
def test_it_has_150_intents_and_out_of_scope(clinc: Splits) -> None:
    assert len(clinc.labels) == 151 and list(clinc.labels) == sorted(clinc.labels)
    assert clinc.oos is not None and clinc.labels[clinc.oos] == "oos"
    for split, each, oos in ((clinc.train, 100, 250), (clinc.validation, 20, 100), (clinc.test, 30, 1000)):
        found = Counter(split["label"])
        assert found == {label: oos if label == clinc.oos else each for label in range(151)}


@there
def test_texts_keep_their_labels(clinc: Splits) -> None:
    content = json.loads(CLINC150.read_text(encoding="utf-8"))
    for keys, split in ((("train", "oos_train"), clinc.train), (("test", "oos_test"), clinc.test)):
        theirs = [tuple(row) for key in keys for row in content[key]]
        ours = zip(split["text"], (clinc.labels[label] for label in split["label"]), strict=True)
        assert list(ours) == theirs


def test_a_file_of_that_form_is_read_with_out_of_scope_in_its_split(tmp_path: Path) -> None:
    rows = {key: [[f"{key} {i}", "oos" if "oos" in key else f"intent {i % 2}"] for i in range(4)] for key in KEYS}
    (tmp_path / "small.json").write_text(json.dumps(rows))
    splits = load(tmp_path / "small.json")
    assert splits.labels == ("intent 0", "intent 1", "oos") and splits.oos == 2
    assert splits.validation["text"][:] == [f"{key} {i}" for key in ("val", "oos_val") for i in range(4)]


BROKEN = {
    "nothing": b"",
    "cut off": b'{"train": [["a", "b"]',
    "a list": b"[1, 2]",
    "a number": b"3",
    "no other splits": b'{"train": [["a", "b"]]}',
    "words": b'{"train": "words", "oos_train": []}',
    "no labels": json.dumps({key: [["text only"]] for key in KEYS}).encode(),
    "labels that are numbers": json.dumps({key: [["a", 1]] for key in KEYS}).encode(),
    "no rows": json.dumps({key: [] for key in KEYS}).encode(),
    "not UTF-8": json.dumps({key: [["\xe9", "b"]] for key in KEYS}, ensure_ascii=False).encode("latin-1"),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        load(path)
    line = str(caught.value)
    assert str(path) in line and "data_oos_plus.json" in line and line.isprintable()


@pytest.mark.parametrize("name", ["nowhere.json", "."])
def test_a_path_that_is_no_file_is_one_line(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=str(tmp_path)) as caught:
        load(tmp_path / name)
    assert str(caught.value).isprintable()
