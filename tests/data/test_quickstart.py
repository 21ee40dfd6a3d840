"""The shipped data set: as many utterances as its README says, none twice, none for testing that nearly stands in train."""

import re
from collections import Counter
from difflib import SequenceMatcher

import numpy as np
import pytest

from pipeline.data.sources import QUICKSTART, Quickstart
from pipeline.data.splits import Splits

PER_INTENT = {"train": 40, "validation": 10, "test": 20}
OUT_OF_SCOPE = {"train": 60, "validation": 40, "test": 120}


@pytest.fixture(scope="module")
def splits() -> Splits:
    return Quickstart(kind="quickstart", name="quickstart", oos_label="oos").load(seed=1)


def normalised(text: str) -> str:
    return " ".join(re.findall(r"[a-z0-9']+", text.lower()))


def counts(texts: list[str], units: list[list[str]]) -> np.ndarray:
    """How often each unit of the vocabulary stands in each text: (len(texts), size of the vocabulary)."""
    column = {unit: i for i, unit in enumerate(sorted({unit for row in units for unit in row}))}
    made = np.zeros((len(texts), len(column)), dtype=np.float32)
    for i, row in enumerate(units):
        for unit in row:
            made[i, column[unit]] += 1
    return made


def nearly_equal(some: list[str], others: list[str]) -> list[tuple[str, str]]:
    """Pairs with a Jaccard index of words of at least 0.7, or a difflib ratio of at least 0.85; texts are normalised."""
    both = some + others
    words = counts(both, [text.split() for text in both]) > 0
    left, right = words[: len(some)].astype(np.float32), words[len(some) :].astype(np.float32)
    shared = left @ right.T
    jaccard = shared / (left.sum(1)[:, None] + right.sum(1) - shared)
    letters = counts(both, [list(text) for text in both])
    left, right = letters[: len(some)], letters[len(some) :]
    common = sum(np.minimum(a[:, None], b) for a, b in zip(left.T, right.T, strict=True))
    possible = 2 * common / (left.sum(1)[:, None] + right.sum(1))  # no order of letters can give a higher ratio
    alike = {(some[i], others[j]) for i, j in np.argwhere(jaccard >= 0.7)}
    for i, j in np.argwhere(possible >= 0.85):
        if SequenceMatcher(None, some[i], others[j], autojunk=False).ratio() >= 0.85:
            alike.add((some[i], others[j]))
    return sorted(alike)


def test_every_split_has_as_many_utterances_of_each_intent_as_its_readme_says(splits: Splits) -> None:
    assert len(splits.labels) == 25 and splits.oos is not None and splits.labels[splits.oos] == "oos"
    for name, per_intent in PER_INTENT.items():
        found = Counter(splits.labels[label] for label in getattr(splits, name)["label"])
        assert found == {label: OUT_OF_SCOPE[name] if label == "oos" else per_intent for label in splits.labels}


def test_its_readme_names_every_intent_and_the_licence(splits: Splits) -> None:
    readme = (QUICKSTART / "README.md").read_text(encoding="utf-8")
    assert all(re.search(rf"\b{label}\b", readme) for label in splits.labels)
    assert "CC0" in readme and "not for conclusions" in readme


def test_no_utterance_stands_in_it_twice(splits: Splits) -> None:
    texts = Counter(normalised(text) for name in PER_INTENT for text in getattr(splits, name)["text"])
    assert texts.total() == 1900 and [text for text, count in texts.items() if count > 1] == []


def test_no_utterance_for_testing_is_nearly_one_for_training(splits: Splits) -> None:
    train = [normalised(text) for text in splits.train["text"]]
    held = [normalised(text) for name in ("validation", "test") for text in getattr(splits, name)["text"]]
    assert nearly_equal(held, train) == []


@pytest.mark.parametrize("near", ["my card please block", "pleese block my cards", "please block my card now"])
def test_what_is_nearly_equal_is_found(near: str) -> None:
    other = "what is my balance"
    assert nearly_equal([near, other], ["when is the bill due", "please block my card"]) == [(near, "please block my card")]
