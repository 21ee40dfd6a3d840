"""Which texts a pair answers: drawn anew for each pair, every length with its share."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.config import Measure
from pipeline.evaluation.latency.queries import NOT_OF_THE_SPLIT, draw_by_length, queries_of

TEXTS = [f"{'x' * (i % 50)} {i}" for i in range(400)]
SETTINGS = Measure(queries=40, seed=7)


def test_each_pair_draws_its_own_queries_which_seed_and_pair_decide() -> None:
    drawn = queries_of(TEXTS, SETTINGS, 0)
    assert drawn == queries_of(TEXTS, SETTINGS, 0) and drawn.texts == [TEXTS[i] for i in drawn.indices]
    others = (queries_of(TEXTS, SETTINGS, 1), queries_of(TEXTS, replace(SETTINGS, seed=8), 0))
    assert all(set(drawn.indices) != set(other.indices) for other in others)
    assert len(set(drawn.indices)) == 40


def test_a_draw_has_a_text_from_each_part_of_the_lengths() -> None:
    lengths = np.array([len(text) for text in TEXTS])
    for seed in range(5):
        chosen = draw_by_length(lengths, 40, np.random.default_rng(seed))
        parts = np.sort(lengths).reshape(40, 10)
        assert all(low <= length <= high for length, (low, *_, high) in zip(np.sort(lengths[chosen]), parts, strict=True))
        assert (np.sort(lengths[chosen]) != lengths[chosen]).any()  # in random order


@pytest.mark.parametrize("count", [30, 100, 250])
def test_every_text_is_equally_likely_and_few_texts_repeat_evenly(count: int) -> None:
    lengths, rng = np.random.default_rng(0).integers(1, 9, 100), np.random.default_rng(1)
    drawn = np.array([np.bincount(draw_by_length(lengths, count, rng), minlength=100) for _ in range(600)])
    assert drawn.min() >= count // 100 and drawn.max() <= -(-count // 100)
    assert drawn.mean(axis=0) == pytest.approx(count / 100, abs=0.1)


def test_the_books_protocol_repeats_its_one_query() -> None:
    book = replace(SETTINGS, protocol="book", query="What is the pin?", queries=100)
    assert queries_of(TEXTS, book, 3) == (["What is the pin?"] * 100, (NOT_OF_THE_SPLIT,) * 100)
    assert queries_of(TEXTS, replace(book, query=None), 3) == ([TEXTS[0]] * 100, (0,) * 100)
