"""Which words go with a class, and which nearly decide it. Looked at in a sample of the training texts."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.models.coverage import UNSPACED

SIGN = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+|[^\w\s]+")  # a character of those, a word, a run of other signs
MIN_TEXTS = 5  # with fewer texts, a word is not looked at
Z = 1.96  # of a 95 % interval
TOP = 5  # words of a class
DECIDES, COVERS = 0.9, 0.1  # a word gives the label away: share of its texts with the label, of the label's texts with it


@dataclass(frozen=True)
class Word:
    """A word of a class. The shares are of the sample."""

    word: str
    label: str
    texts: int  # with this word
    precision: float  # share of them with this label
    precision_low: float  # lower end of its 95 % interval
    recall: float  # share of the texts with this label that have the word
    share: float  # of all texts, that have this label

    @property
    def gives_away(self) -> bool:
        """Whether it nearly decides the class, and for more than a few texts of it."""
        return self.precision_low >= DECIDES and self.recall >= COVERS and self.share < DECIDES


def split_signs(text: str) -> list[str]:
    """Words and runs of other signs, in lower case; each character of scripts that put no spaces between words."""
    return SIGN.findall(text.lower())


def words_of(present: Any, names: Sequence[str], members: Any, labels: Sequence[str]) -> dict[str, list[Word]]:
    """For each label the words that speak for it most; the strongest first.

    present: which text has which of the words `names`, sparse 0/1 (texts, words); members: which has which label, sparse
    (texts, labels). Words are ordered by the chi-square statistic of having the word and having the label (Yang and Pedersen
    1997, "A comparative study on feature selection in text categorization", section 2.4). The interval of a share is
    Wilson's (1927).
    """
    texts = present.shape[0]
    with_word = np.asarray(present.sum(axis=0), dtype=np.float64).ravel()
    found: dict[str, list[Word]] = {}
    for number, label in enumerate(labels):
        rows = members[:, [number]].toarray().ravel().astype(np.float64)
        size = rows.sum()
        both = present.T @ rows
        scores = np.where(with_word >= MIN_TEXTS, chi_square(both, with_word, size, texts), 0)
        best = [i for i in np.argsort(-scores)[:TOP] if scores[i] > Z**2]
        found[label] = [
            Word(
                names[i], label, int(with_word[i]), float(both[i] / with_word[i]), _wilson_low(both[i], with_word[i]),
                float(both[i] / size), float(size / texts),
            )
            for i in best
        ]  # fmt: skip
    return found


def chi_square(both: np.ndarray, with_word: np.ndarray, size: float, texts: int) -> np.ndarray:
    """Float64 (words,); 0 where the word speaks against the label.

    From numbers of texts: with label and word, with the word, with the label, of all.
    """
    more = both * (texts - size - with_word + both) - (with_word - both) * (size - both)
    below = np.maximum(with_word * (texts - with_word) * size * (texts - size), 1)
    found: np.ndarray = np.where(more > 0, texts * more**2 / below, 0)
    return found


def _wilson_low(hits: float, of: float) -> float:
    share = hits / of
    middle, wide = share + Z**2 / (2 * of), Z * np.sqrt(share * (1 - share) / of + Z**2 / (4 * of**2))
    return float((middle - wide) / (1 + Z**2 / of))
