"""A value of the wrong type is told in words that name no type of Python."""

from collections.abc import Callable

import pytest

from pipeline.commands.configuration.explain import explain
from pipeline.config import Config


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("seed=abc", "seed: 'abc' is not a whole number"),
        ("seed=1.5", "seed: '1.5' is not a whole number"),
        ("measure.precision=fine", "measure.precision: 'fine' is not a number"),
        ("measure.profile=maybe", "measure.profile: 'maybe' is not true or false"),
        ("baseline=tfidf", "write optim@baseline=tfidf"),
        ("objective=latency", "objective: must be a list, [NAME,NAME]"),
    ],
)
def test_a_value_of_the_wrong_type_is_told_in_plain_words(override: str, words: str, compose: Callable[..., Config]) -> None:
    with pytest.raises(Exception) as caught:
        compose(override)
    assert words in str(explain(caught.value))
