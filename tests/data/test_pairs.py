"""Pairs of texts from a user's files: both are read, checked, compared and changed."""

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.augmentation import Augment, augment_inputs, unlabelled_inputs
from pipeline.data.queries import pairs_of
from pipeline.data.sources import Files
from pipeline.data.splits import Splits, typical_texts
from pipeline.errors import DataError
from pipeline.models import coverage
from pipeline.tasks import SINGLE_LABEL
from pipeline.tasks.inputs import inputs_of, length

SICK = Path(__file__).resolve().parents[3] / "shared" / "data" / "sick"
HEADER = "premise,hypothesis,label\n"
ROWS = [(f"text {i}", f"other {i}", "yes" if i % 2 else "no") for i in range(40)]


def written(path: Path, rows: list[tuple[str, str, str]], header: str = HEADER) -> Path:
    path.write_text(header + "".join(f"{','.join(row)}\n" for row in rows))
    return path


def load(train: Path, **more: str | None) -> Splits:
    settings = {"text_column": "premise", "pair_column": "hypothesis"} | more
    return Files("files", "any", None, train=str(train), **settings).load(0)  # type: ignore[arg-type]


def test_both_columns_are_read_and_another_pairing_is_other_data(tmp_path: Path) -> None:
    splits = load(written(tmp_path / "a.csv", ROWS))
    assert splits.task.name == "single_label_pairs"
    given = [each for split in (splits.train, splits.validation, splits.test) for each in inputs_of(split)]
    assert sorted(given) == sorted((first, second) for first, second, _ in ROWS)
    lines = "".join(json.dumps(dict(zip(("premise", "hypothesis", "label"), row, strict=True))) + "\n" for row in ROWS)
    (tmp_path / "a.jsonl").write_text(lines)
    swapped = load(tmp_path / "a.csv", text_column="hypothesis", pair_column="premise")
    assert load(tmp_path / "a.jsonl").content_hash == splits.content_hash != swapped.content_hash
    single = load(tmp_path / "a.csv", pair_column=None)
    assert single.task == SINGLE_LABEL and single.content_hash != splits.content_hash
    assert length(typical_texts(splits.train)[0]) == max(map(length, inputs_of(splits.train)))


def test_leaks_and_contradictions_are_those_of_whole_pairs(tmp_path: Path) -> None:
    train = [*ROWS, ("text 0", "other 0", "yes"), ("text 0", "another", "yes"), ("text 0 other", "0", "no")]
    test = [("text 3", "other 3", "yes"), ("text 3", "other 4", "no"), ("text", "3 other 3", "no")]
    notes = load(
        written(tmp_path / "a.csv", train), test=str(written(tmp_path / "b.csv", test)), validation=str(tmp_path / "b.csv")
    ).notes
    assert any(note.startswith("1 of 3 test texts are also in train") for note in notes)
    assert "texts that stand in train with different labels: 1" in notes


def test_an_empty_second_text_and_a_missing_column_are_one_line(tmp_path: Path) -> None:
    written(tmp_path / "a.csv", [*ROWS, ("text", " ", "yes")])
    with pytest.raises(DataError, match=r"with an empty text .*row 42, column 'hypothesis'"):
        load(tmp_path / "a.csv")
    with pytest.raises(DataError, match=r"no column 'second'.*data\.pair_column="):
        load(tmp_path / "a.csv", pair_column="second")


def test_columns_that_look_like_a_pair_are_named_with_the_setting(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = written(tmp_path / "a.csv", ROWS)
    load(file, pair_column=None)
    assert "set data.pair_column=hypothesis" in caplog.text
    caplog.clear()
    load(file)
    assert "pair_column" not in caplog.text
    with pytest.raises(DataError, match=r"for pairs set data\.text_column=premise data\.pair_column=hypothesis"):
        load(file, text_column="text", pair_column=None)


def test_a_copy_of_a_pair_has_one_changed_text_on_either_side_of_words_of_that_side() -> None:
    pairs = [(f"a{i} b{i} c{i} d{i}", f"e{i} f{i} g{i} h{i}") for i in range(200)]
    settings = Augment(copies=2, drop=0.5, swap=0.5, mix=0)
    made = augment_inputs(pairs, "[UNK]", settings, 1)
    assert made == augment_inputs(pairs, "[UNK]", settings, 1) != augment_inputs(pairs, "[UNK]", settings, 2)
    changed = np.array(
        [[one != other for one, other in zip(new, old, strict=True)] for new, old in zip(made, pairs * 2, strict=True)]
    )
    assert changed.sum(axis=1).max() == 1 and (changed.mean(axis=0) > 0.4).all()
    assert {word[0] for pair in made for word in pair[0].split()} <= set("[abcd")
    assert {word[0] for pair in made for word in pair[1].split()} <= set("[efgh")
    assert augment_inputs(["a b"], "[UNK]", Augment(copies=1, drop=1), 0) == ["[UNK] [UNK]"]


def test_pairs_without_labels_are_lines_with_a_tab(tmp_path: Path) -> None:
    file = tmp_path / "more.txt"
    file.write_text("one\ttwo\n\none\ttwo\na b\t c\n")
    assert unlabelled_inputs(file, pairs=True) == [("one", "two"), ("a b", "c")]
    assert unlabelled_inputs(file, pairs=False)[0] == "one\ttwo"
    file.write_text("one\ttwo\nalone\n")
    with pytest.raises(DataError, match="'alone' is no pair"):
        unlabelled_inputs(file, pairs=True)


def test_pairs_to_classify_come_from_two_columns(tmp_path: Path) -> None:
    file = written(tmp_path / "a.csv", [("one", "two", "x"), ("", "three", "y")])
    assert pairs_of(file, "premise", "hypothesis") == [("one", "two"), ("", "three")]
    with pytest.raises(DataError, match="--pair-column"):
        pairs_of(file, "premise", "second")


def test_what_is_cut_of_a_pair_is_counted_over_both_texts() -> None:
    from pipeline.models.build import random_tokenizer

    backend = random_tokenizer().backend_tokenizer  # a token a character, [CLS] a [SEP] b [SEP]
    found = coverage.of_counts(coverage.count([("abcd", "efghi"), ("a", "b")], backend), 10)
    assert found.truncated_share == 0.5 and found.lost_token_share == pytest.approx(2 / 17)


@pytest.mark.skipif(not SICK.is_dir(), reason=f"{SICK} is not there")
def test_sick_is_read_and_its_leaks_are_told() -> None:
    files = {split: str(SICK / f"{split}.csv") for split in ("validation", "test")}
    splits = load(SICK / "train.csv", text_column="sentence1", pair_column="sentence2", **files)
    assert [len(split) for split in (splits.train, splits.validation, splits.test)] == [4500, 500, 4927]
    assert splits.labels == ("contradiction", "entailment", "neutral")
    assert any(note.startswith("49 of 4927 test texts are also in train") for note in splits.notes)
