"""Data with test texts alone, for what is not trained; and names for labels that are numbers."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.config import Config
from pipeline.errors import ConfigError, DataError
from pipeline.steps.base import Context
from pipeline.tracking.job import require_nothing_learned
from tests.conftest import write_csv

ROWS = [(f"text number {number}", str(number % 3)) for number in range(60)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_csv(tmp_path / "test.csv", ROWS)


def test_validation_is_drawn_from_test_and_train_is_empty(file: Path, compose: Callable[..., Config]) -> None:
    splits = compose("data=files", f"data.test={file}", "data.validation_fraction=0.2").data.load(0)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (0, 12, 48)
    assert splits.labels == ("0", "1", "2") and Counter(splits.validation["label"]) == dict.fromkeys(range(3), 4)
    assert not {*splits.test["text"]} & {*splits.validation["text"]} and splits.looked_at is splits.validation
    assert any("12 of 60 rows are validation" in note and "nothing can be trained" in note for note in splits.notes)
    assert len(Context(splits, compose().backbone, 0).tokenizer_texts) == 12
    assert "| read |  |  | 60 |" in splits.report()


def test_given_splits_stay_and_all_their_labels_are_labels(
    file: Path, compose: Callable[..., Config], tmp_path: Path
) -> None:
    more = write_csv(tmp_path / "validation.csv", [("another", "3"), ("text number 1", "1")])
    splits = compose("data=files", f"data.test={file}", f"data.validation={more}").data.load(0)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (0, 2, 60)
    assert splits.labels == ("0", "1", "2", "3")
    assert any("test texts are also in validation" in note for note in splits.notes)


def test_what_learns_is_refused_with_the_setting_and_neither_is_an_error(file: Path, compose: Callable[..., Config]) -> None:
    with pytest.raises(ConfigError, match=r"data.train is not set; give it with data.train=VALUE, or only data.test=VALUE"):
        compose("data=files")
    for optim, steps in (
        ("baseline_onnx_int8", "finetune"),
        ("distillation", "finetune, transfer, distill"),
        ("tfidf", "tfidf"),
    ):
        config = compose("data=files", f"data.test={file}", f"optim={optim}", "backbone=tiny")
        with pytest.raises(DataError, match=rf"optim={optim} reads training texts \({steps}\)"):
            require_nothing_learned(config.optim, config.backbone)
    book = compose("data=files", f"data.test={file}", "optim=baseline_onnx_int8", "backbone=book")
    require_nothing_learned(book.optim, book.backbone)
    random = compose("data=files", f"data.test={file}", "optim=bert_base_random")
    require_nothing_learned(random.optim, random.backbone)


def test_labels_that_are_numbers_get_their_names(file: Path, compose: Callable[..., Config], tmp_path: Path) -> None:
    named = compose("data=files", f"data.train={file}", "data.label_names=[low,mid,1e3,more]").data.load(0)
    assert named.labels == ("1e3", "low", "mid") and named.label_names == ("low", "mid", "1e3", "more")
    assert "data.label_names: 0 is 'low', 1 is 'mid', 2 is '1e3'" in named.notes[0]
    texts = write_csv(tmp_path / "named.csv", [(text, "low" if label == "0" else "mid") for text, label in ROWS])
    as_it_is = compose("data=files", f"data.train={texts}", "data.label_names=[mid,low]").data.load(0)
    assert as_it_is.labels == ("low", "mid") and as_it_is.label_names == ("mid", "low")
    with pytest.raises(DataError, match=r"data.label_names: the data's label 'mid' is none of them; did you mean mild\?"):
        compose("data=files", f"data.train={texts}", "data.label_names=[mild,low]").data.load(0)
