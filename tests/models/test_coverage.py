"""What of the training texts is cut, and what is unknown, counted before training."""

import logging
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.config import Config
from pipeline.models import coverage
from pipeline.models.build import random_tokenizer, start
from pipeline.tracking import job
from tests.conftest import small, write_csv


def counted(texts: list[str], max_length: int = 10) -> coverage.Coverage:
    return coverage.of_counts(coverage.count(texts, random_tokenizer().backend_tokenizer), max_length)


def test_cut_and_lost_tokens_are_counted() -> None:
    found = counted(["abcd", "a" * 18, "b" * 8])  # a token a character, and two special ones: 6, 20, 10
    assert found.truncated_share == pytest.approx(1 / 3) and found.lost_token_share == pytest.approx(10 / 36)
    assert found.unknown_token_share == 0
    [line] = coverage.lines(found.metrics())
    assert "33.3%" in line and "max_length" in line and "27.8%" in line


def test_another_language_is_unknown() -> None:
    found = counted(["日本語です", "abc 日"], 100)
    assert found.unknown_token_share == pytest.approx(5 / 12)  # です is one word
    [line] = coverage.lines(found.metrics())
    assert "41.7% of the tokens" in line and "unknown" in line


def test_few_cut_texts_are_a_line_only_where_all_are_asked_for() -> None:
    metrics = counted([*["abc"] * 99, "a" * 12]).metrics()
    assert coverage.lines(metrics) == [] and len(coverage.lines(metrics, all_cuts=True)) == 1
    assert coverage.lines(counted(["abc"]).metrics(), all_cuts=True) == []


def test_a_huge_data_set_is_sampled_and_quick() -> None:
    texts = [f"{i} " + "a few words of a text " * 200 for i in range(5000)]
    start = time.perf_counter()
    drawn = coverage.sample(texts, 1)
    found = counted(drawn, 128)
    assert time.perf_counter() - start < 5 and 400 < len(drawn) < 600 and drawn != texts[: len(drawn)]
    assert found.truncated_share == 1 and drawn == coverage.sample(texts, 1)
    assert counted(["word " * 1_000_000], 128).lost_token_share == pytest.approx(1 - 128 / 4_000_002, abs=1e-4)


@pytest.mark.parametrize(
    ("text", "metric", "words"),
    [("a word or two " * 30, "data/truncated_share", "cut there"), ("日本語", "data/unknown_token_share", "unknown")],
)
def test_a_job_warns_before_training(
    text: str, metric: str, words: str, compose: Callable[..., Config], root: Path, tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    rows = [(f"{text} {i}", "ab"[i % 2]) for i in range(60)]
    config = compose("optim=baseline", *small(root, write_csv(tmp_path / "a.csv", rows)))
    with caplog.at_level(logging.INFO):
        prepared = job.prepare(config)
    assert len(prepared.seen) == 1 and all(seen.metrics[metric] > 0.4 for seen in prepared.seen.values())
    [warning] = [record for record in caplog.records if words in record.getMessage()]
    assert warning.levelno == logging.WARNING and "counted on" in warning.getMessage()


def test_an_optimization_without_a_tokenizer_has_no_such_metrics(
    compose: Callable[..., Config], root: Path, toy_csv: Path
) -> None:
    assert job.prepare(compose("optim=tfidf", "optim@baseline=tfidf", *small(root, toy_csv))).seen == {}
    assert np.isfinite(list(counted(["a"]).metrics().values())).all()


def test_each_optimization_is_counted_with_its_own_tokenizer(
    compose: Callable[..., Config], root: Path, toy_csv: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = tmp_path / "other"
    rows = [(f"日本語 {i}", "ab"[i % 2]) for i in range(60)]
    settings = small(root, write_csv(tmp_path / "a.csv", rows))
    baseline = compose("optim=baseline", *settings)
    model, tokenizer = start(baseline.backbone, "teacher", ["a", "b"], 0)
    tokenizer.add_tokens(["日本語"])
    model.resize_token_embeddings(len(tokenizer))
    model.save_pretrained(other)
    tokenizer.save_pretrained(other)
    load = ["'~optim.steps.finetune'", "+step@optim.steps.load=load_checkpoint", f"optim.steps.load.checkpoint={other}"]
    prepared = job.prepare(compose("optim=baseline", *(word.strip("'") for word in load), "optim.name=mine", *settings))
    mine, theirs = (seen.metrics["data/unknown_token_share"] for seen in prepared.seen.values())
    assert mine == 0 and theirs > 0.1
    [warning] = [record.getMessage() for record in caplog.records if "unknown" in record.getMessage()]
    assert warning.startswith(f"warning: {baseline.baseline.name}: ")


def test_pieces_a_word_tell_another_language() -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    known = ["[UNK]", *map(chr, range(97, 123)), *(f"##{chr(i)}" for i in range(97, 123)), "hello", "you"]
    tokenizer = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(known)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    assert coverage.count(["hallo du"], tokenizer).pieces_per_word is None  # a vocabulary of characters is no language
    tokenizer.add_tokens([f"more{i}" for i in range(coverage.SMALL_VOCABULARY)])
    assert coverage.count(["hello you", "日本語"], tokenizer).pieces_per_word == 1  # what has no spaces is not counted
    foreign = coverage.of_counts(coverage.count(["hallo du"], tokenizer), 100)
    assert foreign.pieces_per_word == 3.5
    [line] = coverage.lines(foreign.metrics())
    assert "3.50 pieces" in line and "language" in line


def test_of_byte_level_vocabularies_bytes_of_a_character_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """They have no unknown token: what a vocabulary lacks falls into bytes."""
    from pipeline.evaluation.overview.lengths import lengths_of
    from tests.support.vocabularies import SEEN, byte_pairs

    tokenizer = byte_pairs()
    monkeypatch.setattr(coverage, "SMALL_VOCABULARY", 100)
    known, foreign = [" ".join(SEEN[:50])], ["\u4e2d\u6587\u5206\u8bcd"]
    assert coverage.count(known, tokenizer).unknown.sum() < 5
    found = coverage.of_counts(coverage.count(foreign, tokenizer), 100)
    assert found.unknown_token_share == 1 and "single bytes of characters" in coverage.lines(found.metrics())[0]
    lengths = lengths_of([*known, "\u4e2d \u6587 \u4e2d"], tokenizer, 100)
    assert lengths.unknown["\u4e2d"] == 2 and lengths.unknown["\u6587"] == 1
    hindi = coverage.count(["\u0939\u093f\u0928\u094d\u0926\u0940 two"], tokenizer)
    assert hindi.pieces_per_word == (hindi.tokens[0]) / 2  # marks are parts of a word
    monkeypatch.setattr(coverage, "LARGE_VOCABULARY", tokenizer.get_vocab_size() - 1)
    assert coverage.count(known, tokenizer).pieces_per_word is None  # of many languages
