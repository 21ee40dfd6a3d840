"""The overview of a data set: repeats, words, lengths, what is in reach; for one label or several, one text or pairs."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Features, Sequence, Value
from scipy.sparse import csr_array
from scipy.stats import chi2_contingency

from pipeline.commands.data import look
from pipeline.config import Config
from pipeline.data.splits import Splits
from pipeline.evaluation.overview.examine import Overview, examine
from pipeline.evaluation.overview.findings import findings_of
from pipeline.evaluation.overview.words import chi_square, words_of
from pipeline.models.build import random_tokenizer
from pipeline.reporting.overview_text import text
from pipeline.reporting.page.overview import render
from tests.conftest import small, write_csv

LABELS = ("no", "yes", "rare")
SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"


def one_label(rows: list[tuple[str, int]]) -> Dataset:
    features = Features({"text": Value("large_string"), "label": ClassLabel(names=list(LABELS))})
    return Dataset.from_dict({"text": [row[0] for row in rows], "label": [row[1] for row in rows]}, features=features)


def several_labels_of_pairs(rows: list[tuple[str, str, list[int]]]) -> Dataset:
    columns = {"text": Value("large_string"), "text_pair": Value("large_string"), "label": Sequence(Value("int64"))}
    found = zip(*rows, strict=True)
    return Dataset.from_dict(dict(zip(columns, map(list, found), strict=True)), features=Features(columns))


def looked(train: Dataset, validation: Dataset, test: Dataset, notes: tuple[str, ...] = ()) -> Overview:
    splits = Splits(train, validation, test, LABELS, None, "hash", notes)
    return examine(splits, random_tokenizer().backend_tokenizer, 12, ("toy", "tiny"), 0)


@pytest.fixture(scope="module")
def overview() -> Overview:
    words = [f"w{a} w{b}" for a in range(20) for b in range(10)]  # 200 of them
    train = [(f"{w} maybe", 0) for w in words[:100]] + [(f"{w} surely", 1) for w in words[100:]] + [("it is 日本", 2)] * 3
    train += [("w0 w0 maybe", 1)]  # it contradicts the first
    valid = [(f"{w} again maybe", 0) for w in words[:20]] + [("w0 w1 maybe", 0)] + [("x surely", 1)] * 10
    return looked(one_label(train), one_label(valid), one_label(valid[-12:]), ("a note",))


def test_sizes_repeats_and_lengths(overview: Overview) -> None:
    assert overview.rows == {"train": 204, "validation": 31, "test": 12} and overview.labels_a_text == {"1": 204}
    assert [(each.label, each.texts["train"]) for each in overview.labels] == [("yes", 101), ("no", 100), ("rare", 3)]
    assert overview.labels[-1].examples == ("it is 日本",) * 3
    assert all("maybe" in example for example in overview.labels[1].examples)
    assert overview.repeats.within == {"train": 3, "validation": 9, "test": 9} and overview.repeats.contradictions == 1
    assert overview.repeats.shared == {"validation in train": 1, "test in train": 1, "test in validation": 12}
    assert overview.repeats.examples[0] == "it is 日本"
    assert overview.lengths.unknown == {"日": 3, "本": 3} and "CJK" in overview.lengths.scripts
    assert overview.lengths.truncated_share > 0.4 and overview.lengths.percentiles["100"] == 13
    assert sum(overview.lengths.counts) == 204 == overview.lengths.texts


def test_words_and_what_is_in_reach(overview: Overview) -> None:
    [first, *_] = overview.words["yes"]
    assert (first.word, first.texts, first.precision) == ("surely", 100, 1.0) and first.gives_away
    assert overview.words["rare"] == []  # three texts are too few
    reached = overview.reached
    assert (reached.trained_on, reached.judged_on) == (204, 31) and reached.tfidf_accuracy == 1
    assert reached.majority_accuracy == pytest.approx(10 / 31)
    assert reached.majority_f1_macro == pytest.approx(np.mean([0, 2 * 10 / (31 + 10)]))


def test_findings_say_what_is_worth_a_look(overview: Overview) -> None:
    told = "\n".join(overview.findings)
    for words in (
        "a note", "'yes' has 101 of 204 training texts, 'rare' has 3", "1 of 3 labels have fewer than 10",
        "13 of 235 texts of train and validation repeat", "9 of 12 test texts", "backbone.max_length", "日",
        "the word 'surely' gives 'yes' away: 100% of the 100",
    ):  # fmt: skip
        assert words in told, words
    sizes = {each.label: each.texts for each in overview.labels}
    lengths = replace(overview.lengths, unknown={"\u0667": 2, "日": 1}, truncated_share=1e-4, lost_token_share=0)
    told = "\n".join(findings_of((), overview.rows, sizes, lengths, overview.repeats, {}))
    assert "less than 0.1% of the training texts are longer" in told and "first: \u2068\u0667\u2069 日" in told


def test_text_and_page_show_it_and_escape_it(overview: Overview) -> None:
    shown, page = text(overview), render(overview)
    assert max(map(len, shown.splitlines())) <= 120 and "204 train" in shown and "surely (100% of 100)" in shown
    assert not re.search(r"src=|@import|url\(|<link|<script", page) and "default-src 'none'" in page
    assert page.count('<rect class="dot"') == len(overview.lengths.counts) + 3 and "&#39;surely&#39;" in page
    assert "<bdi>it is 日本</bdi>" in page and "<bdi>surely (100% of 100)</bdi>" in page
    assert json.loads(json.dumps(overview.plain()))["rows"] == overview.rows


def test_several_labels_and_pairs() -> None:
    rows = [(f"one {i}", f"other {i % 7}", [[], [0], [1], [0, 1]][i % 4]) for i in range(80)]
    rows = [(first + " aa" * (0 in own), second + " bb" * (1 in own), own) for first, second, own in rows]
    found = looked(several_labels_of_pairs(rows), several_labels_of_pairs(rows[:40]), several_labels_of_pairs(rows[:2]))
    assert found.labels_a_text == {"0": 20, "1": 40, "2": 20}
    assert "of 80 training texts 20 have none, 40 have 1, 20 have 2" in " ".join(text(found).split())
    assert [each.texts["train"] for each in found.labels] == [40, 40, 0]
    assert found.repeats.within["train"] == 0 and found.repeats.shared["validation in train"] == 40
    assert found.words["no"][0].word == "aa" and found.words["yes"][0].word == "bb"
    assert found.reached.tfidf_accuracy == 1 and found.reached.majority_accuracy == 0.25
    assert any(" || " in example for example in found.labels[0].examples)
    swapped = [(second, first, own) for first, second, own in rows]
    other = looked(several_labels_of_pairs(rows), several_labels_of_pairs(swapped), several_labels_of_pairs(swapped))
    assert other.repeats.shared["validation in train"] == 0


def test_chi_square_is_that_of_scipy() -> None:
    both, word, size, texts = np.array([30.0, 2.0]), np.array([40.0, 50.0]), 60.0, 200
    table = [[30, 10], [30, 130]]
    assert chi_square(both, word, size, texts) == pytest.approx([chi2_contingency(table, correction=False)[0], 0])


def test_a_word_with_much_support_comes_before_a_rare_one() -> None:
    present = np.zeros((100, 2), np.float32)
    present[:40, 0], present[:5, 1] = 1, 1
    members = csr_array(np.repeat([[1.0, 0.0], [0.0, 1.0]], 50, axis=0))
    found = words_of(csr_array(present), ["often", "seldom"], members, ["a", "b"])
    assert [word.word for word in found["a"]] == ["often", "seldom"] and found["b"] == []
    assert found["a"][0].gives_away and not found["a"][1].gives_away  # five texts can't show 90 %


def test_the_command_writes_page_and_json(
    compose: Callable[..., Config], root: Path, tmp_path: Path, toy_rows: list[tuple[str, str]]
) -> None:
    file = write_csv(tmp_path / "toy.csv", [(f"{words} {i}", label) for i, (words, label) in enumerate(toy_rows)])
    shown, page, values = look(compose("backbone.max_length=auto", *small(root, file)))
    figures: dict[str, Any] = json.loads(values.read_text(encoding="utf-8"))
    assert page.parent == root / "data" / "toy_tiny" and "<svg" in page.read_text(encoding="utf-8")
    assert figures["rows"] == {"train": 63, "validation": 9, "test": 18} and "max_length=auto is 24" in shown


def test_what_was_read_dropped_merged_and_leaked_is_shown(
    compose: Callable[..., Config], root: Path, tmp_path: Path
) -> None:
    sentence = "where is the cheapest café near the old station number"
    rows = [("", f"{sentence} {i} of line {i % 7}", ("food", "way")[i % 2]) for i in range(40)]
    rows += [("Title", f"{word} and körper", "rare") for word in ("one", "two", "three")]
    rows += [("", " ", "food"), ("", "without label", "")]
    held = [("", f"{sentence} 3 of line 3", "way"), ("", f"{sentence} 4 of line 4!", "food"), ("Title", "new", "rare")]
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    for path, written in ((train, rows), (test, held)):
        lines = (";".join(row) + "\n" for row in [("title", "body", "topic"), *written])
        path.write_text("".join(lines), encoding="cp1252")
    settings = [
        "text_column=[title,body]", "label_column=topic", "encoding=cp1252", "on_bad_rows=drop", "min_class_size=5",
        f"validation={test}", f"test={test}",
    ]  # fmt: skip
    shown, page, values = look(compose(*small(root, train), *(f"data.{setting}" for setting in settings)))
    figures: dict[str, Any] = json.loads(values.read_text(encoding="utf-8"))
    assert figures["read"]["dropped: bad rows"] == {"train": -2} and figures["repeats"]["near"]["test in train"]["near"] == 1
    html, report = page.read_text(encoding="utf-8"), (page.parent / "data_report.md").read_text(encoding="utf-8")
    told = " ".join(shown.split())
    for words in (
        "rows read: 45 train, 3 validation, 3 test; dropped: bad rows: -2 train",
        "1 with an empty text, 1 with an empty label", "were merged into 'other'", "1 of 3 test texts are also in train",
        "1 of 3 texts of test nearly repeat a text of train",
    ):  # fmt: skip
        assert words in told, (words, told)
    assert "nearly in train" in html and "| dropped: bad rows | -2 |  |  |" in report and "nearly repeat" in report
    [other] = [each for each in figures["labels"] if each["label"] == "other"]
    assert all(text.startswith("Title ") and text.endswith("körper") for text in other["examples"])


@pytest.mark.slow
def test_the_quirks_of_trec_are_told(compose: Callable[..., Config], root: Path) -> None:
    folder = SHARED / "trec"
    if not folder.is_dir():
        pytest.skip("shared/data/trec is not there")
    places = [f"data.train={folder}/train.csv", f"data.test={folder}/test.csv", f"track.root={root}"]
    shown, _, _ = look(compose("data=files", "data.name=trec", *places))
    shown = " ".join(shown.split())
    assert "71 of 5,452 texts" in shown and "10 of 500 test texts are also in train" in shown and "'ABBR' has 77" in shown
