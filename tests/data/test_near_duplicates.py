"""Near duplicates: what differs in a few characters is found, what is equal or only alike is not."""

from pathlib import Path

import pytest

from pipeline.data import near_duplicates
from pipeline.data.near_duplicates import Found, count, count_within

TRAIN = [f"please tell me the way from street number {i} to the main station of the town" for i in (17, 42)]
OTHER = "what will the weather be like on the coast this weekend"


def test_a_changed_word_is_near_and_an_equal_text_is_not() -> None:
    reference = [*TRAIN, OTHER]
    changed = OTHER.replace("weekend", "week")
    found = count(reference, [changed, OTHER.upper() + "  ", "what will you eat", "", "rain"])
    assert found == Found(1, 5, 5, 3, 3, ((changed, OTHER),)) and not found.sampled
    assert count_within(reference) == Found(1, 3, 3, 3, 3, ((TRAIN[1], TRAIN[0]),))
    assert count_within([OTHER, OTHER, f" {OTHER}"]).near == 0
    assert count([], [OTHER]).near == count([OTHER], []).near == 0


def test_of_many_texts_a_sample_is_looked_at_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_duplicates, "MAX_TEXTS", 20)
    texts = [f"{word} {word[::-1]} {i}" for i, word in enumerate(map(str, range(10_000, 10_050)))]
    found = count_within(texts)
    assert found.sampled and (found.looked_at, found.texts) == (20, 50)
    assert count_within(texts) == found and count(texts[:20], texts[:20]).sampled is False


def test_a_long_text_is_compared_by_its_beginning(tmp_path: Path) -> None:
    beginning = " ".join(map(str, range(1000)))
    assert count([f"{beginning} rain"], [f"X{beginning} snow" * 1000]).near == 1
