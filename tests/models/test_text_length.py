"""`backbone.max_length=auto`: what the training texts need, in one place, before anything depends on it."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.config import AUTO, Config, plain
from pipeline.errors import ConfigError
from pipeline.models.build import random_tokenizer
from pipeline.models.text_length import read_length, resolve
from pipeline.steps.execute import plan
from pipeline.tracking import job
from pipeline.tracking.identity import parameters
from tests.conftest import small, write_csv


def config_of(compose: Callable[..., Config], root: Path, place: Path, letters: int, setting: str = "auto") -> Config:
    rows = [("ab " * (letters // 2) + f"{i % 10}", "xy"[i % 2]) for i in range(60)]  # a token a letter, and two special ones
    return compose("optim=baseline", f"backbone.max_length={setting}", *small(root, write_csv(place / "a.csv", rows)))


def test_it_is_a_multiple_of_8_that_has_room(
    compose: Callable[..., Config], root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = config_of(compose, root, tmp_path, 40)
    assert config.backbone.max_length == AUTO
    with caplog.at_level(logging.INFO):
        prepared = job.prepare(config)
    backbone, splits = prepared.context.backbone, prepared.context.splits
    assert backbone.max_length == 48 == parameters(prepared.config)["max_length"]  # 43 tokens
    [note] = [note for note in splits.notes if "auto" in note]
    assert note.startswith("backbone.max_length=auto is 48: 99.5 % of the training texts have at most 43 tokens")
    assert note in caplog.text
    stages = plan(prepared.config.optim, prepared.context)
    same = plan(config.optim, replace(prepared.context, backbone=replace(config.backbone, max_length=48)))
    assert [stage.fingerprint for stage in stages] == [stage.fingerprint for stage in same]
    assert resolve(backbone, splits, 1) == (backbone, splits)


def test_what_windows_read_counts_as_seen(
    compose: Callable[..., Config], root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = config_of(compose, root, tmp_path, 400, "24")  # texts of 403 tokens
    windows = replace(config, backbone=replace(config.backbone, window="mean", window_overlap=4))
    with caplog.at_level(logging.INFO):
        [cut, *_], [seen, *_] = (job.prepare(each).seen.values() for each in (config, windows))
    assert cut.metrics["data/truncated_share"] == 1 and seen.metrics["data/truncated_share"] == 0
    [note] = seen.notes
    assert "100.0% of the training texts are longer than backbone.max_length; answers read windows of them" in note
    assert "answered in windows, at most 64, joined by their mean; training reads their beginning" in caplog.text
    tokenizer = random_tokenizer().backend_tokenizer
    room = read_length(windows.backbone, tokenizer)
    tokenizer.enable_truncation(24, stride=4)
    for letters, count in ((room - 2, 64), (room - 1, 65)):
        assert 1 + len(tokenizer.encode("a " * letters).overflowing) == count


def test_it_ends_where_the_network_has_no_positions(compose: Callable[..., Config], root: Path, tmp_path: Path) -> None:
    config = config_of(compose, root, tmp_path, 400)
    backbone, splits = resolve(config.backbone, config.data.load(0), 0)
    assert backbone.max_length == 128
    assert any("403 tokens, of which this network has positions for 128" in note for note in splits.notes)


@pytest.mark.parametrize("wrong", ["autom", "4", "9000", "1.5"])
def test_another_word_or_a_number_out_of_bounds_is_refused(
    wrong: str, compose: Callable[..., Config], root: Path, tmp_path: Path
) -> None:
    with pytest.raises(Exception) as caught:
        config_of(compose, root, tmp_path, 4, wrong)
    assert "max_length" in str(caught.value)
    assert isinstance(caught.value, ConfigError) or wrong == "1.5"


def test_a_number_stays_a_number(compose: Callable[..., Config]) -> None:
    assert plain(compose("backbone.max_length=96"))["backbone"]["max_length"] == 96
