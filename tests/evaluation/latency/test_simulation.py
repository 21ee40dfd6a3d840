"""Sessions with a known speed-up: how often the interval misses it. evaluation/README.md has the figures of many."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.evaluation.latency.simulation import Split, drawn_by_pair, drawn_once, outcome, split

SESSIONS = 300


@pytest.fixture(scope="module")
def short() -> Split:
    return split(np.random.default_rng(0), typical_tokens=12, sd=0.4, texts=1500)


def test_with_its_own_queries_for_each_pair_an_interval_misses_in_about_5_of_100_sessions(short: Split) -> None:
    found = outcome(short, drawn_by_pair, SESSIONS, seed=1)
    assert found.missed < 0.05 + 3 * (0.05 * 0.95 / SESSIONS) ** 0.5
    once = outcome(short, drawn_once, SESSIONS, seed=1)
    assert once.missed > 0.2 and found.width == pytest.approx(once.width, rel=0.15), "the same width, honest now"


def test_it_holds_for_a_cascade_whose_slow_texts_are_of_any_length(short: Split) -> None:
    slow = np.random.default_rng(1).random(len(short.tokens)) > 0.62
    cascade = replace(short, candidate_ms=0.1 + slow * short.candidate_ms)
    assert outcome(cascade, drawn_by_pair, 150, seed=2).missed < 0.11 < 0.5 < outcome(cascade, drawn_once, 50, seed=2).missed


def test_what_varies_between_sessions_is_left_out(short: Split) -> None:
    assert outcome(short, drawn_by_pair, SESSIONS, seed=3, session_sd=0.005).missed > 0.1
