"""Near duplicates: what differs in a few characters is found, what is equal or only alike is not."""

import pyarrow as pa
import pytest

from pipeline.data import near_duplicates
from pipeline.data.near_duplicates import Found, count

TRAIN = [f"please tell me the way from street number {i} to the main station of the town" for i in (17, 42)]
OTHER = "what will the weather be like on the coast this weekend"


def test_a_changed_word_is_near_and_an_equal_text_is_not() -> None:
    reference = [*TRAIN, OTHER]
    changed = OTHER.replace("weekend", "week")
    asked = [changed, OTHER.upper() + "  ", "what will you eat", "", "rain"]
    within, found = count(pa.chunked_array([reference[:1], reference[1:]]), asked)
    assert within == Found(1, 3, 3, 3, 3, ((TRAIN[1], TRAIN[0]),))
    assert found == Found(1, 5, 5, 3, 3, ((changed, OTHER),)) and not found.sampled
    assert [each.near for each in count([OTHER, OTHER, f" {OTHER}"], [])] == [0, 0]
    assert [each.near for each in count([], [OTHER])] == [0, 0]


def test_of_many_texts_a_sample_is_looked_at_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_duplicates, "MAX_TEXTS", 20)
    texts = [f"{word} {word[::-1]} {i}" for i, word in enumerate(map(str, range(10_000, 10_050)))]
    [found] = count(texts)
    assert found.sampled and (found.looked_at, found.texts) == (20, 50)
    assert count(texts) == [found] and not count(texts[:20], texts[:20])[1].sampled


def test_a_long_text_is_compared_by_its_beginning() -> None:
    beginning = " ".join(map(str, range(1000)))
    assert count([f"{beginning} rain"], [f"X{beginning} snow" * 1000])[1].near == 1
