"""Runtime "tfidf": weighted counts of words and character n-grams, times a matrix. It only needs NumPy.

The weights are those of scikit-learn's TfidfVectorizer with sublinear counts: (1 + ln count) * idf, each text normalised to
length 1. Words and n-grams that are not in the vocabulary have no effect. A pair of texts with the weights u and v has the
features [u, v, min(u, v)]: those of each text, and what both share.
"""

import itertools
import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.runtimes.base import Classifier, Description, Runtime, checked_open
from pipeline.tasks import words
from pipeline.tasks.inputs import Input, parts_of

FEATURES, WEIGHTS = "features.json", "linear.safetensors"
WORD = re.compile(words.WORD)
NGRAM_LENGTHS = (2, 3, 4, 5)  # lengths of the n-grams within a word, whose ends are marked
MAX_CHARACTERS = 50_000  # of a text; more take a tenth of a second and more
NGRAM_PREFIX = "#"  # prefix of n-grams, with which no word begins
PARTS = 3  # of the features of a pair: of the first text, of the second, of both


def features(text: str) -> list[str]:
    """The words, pairs of adjacent words and character n-grams of a text, each as often as it occurs.

    Only the first MAX_CHARACTERS are looked at, in training as in serving.
    """
    split = WORD.findall(text[:MAX_CHARACTERS].lower())
    found = split + [f"{one} {other}" for one, other in itertools.pairwise(split)]
    for word in split:
        marked = f"<{word}>"
        found += [f"{NGRAM_PREFIX}{marked[i : i + n]}" for n in NGRAM_LENGTHS for i in range(len(marked) - n + 1)]
    return found


class TfidfClassifier(Classifier):
    """Inference with NumPy. Its ids are features, and its mask has their counts; of a pair, the counts of each text."""

    def __init__(self, artifact: Path, description: Description) -> None:
        from safetensors.numpy import load_file

        self.labels = description.labels
        names = json.loads((artifact / FEATURES).read_text(encoding="utf-8"))
        self._ids = {name: number for number, name in enumerate(names)}
        stored = load_file(artifact / WEIGHTS)
        self._idf, self._weights, self._bias = (stored[name] for name in ("idf", "weights", "bias"))
        self._sides = 2 if description.kind.pairs else 1
        self._parts = self._weights.reshape(PARTS if self._sides == 2 else 1, -1, len(self.labels))
        if self._parts.shape[1] != len(names) or self._idf.shape != (len(names),):
            raise ValueError(f"{WEIGHTS}: its size does not fit {FEATURES} and the labels")

    def encode(self, texts: Sequence[Input]) -> tuple[np.ndarray, ...]:
        """Known features and their counts, all int64 (len(texts), most features of an input); padding has count 0.

        Of a pair there are the features of both texts, and two arrays of counts.
        """
        counted = [[self._count(part) for part in parts_of(text)] for text in texts]
        known = [list(dict.fromkeys(itertools.chain(*each))) for each in counted]
        ids = np.zeros((len(texts), max(1, *map(len, known))), dtype=np.int64)
        counts = tuple(np.zeros_like(ids) for _ in range(self._sides))
        for row, (found, each) in enumerate(zip(known, counted, strict=True)):
            ids[row, : len(found)] = found
            for side, own in zip(counts, each, strict=True):
                side[row, : len(found)] = [own[number] for number in found]
        return ids, *counts

    def _count(self, text: str) -> Counter[int]:
        return Counter(self._ids[name] for name in features(text) if name in self._ids)

    def forward(self, *encoded: Any) -> np.ndarray:
        """Logits for the result of `encode`: float32 (len(ids), labels)."""
        ids, *counts = encoded
        sides = [self._weigh(each, ids) for each in counts]
        sides += [np.minimum(*sides)] if len(sides) == 2 else []
        logits = np.empty((len(ids), len(self.labels)), dtype=np.float32)
        for row, found in enumerate(ids):  # at once it would be texts x features x labels
            products = [own[row] @ part[found].astype(np.float32) for own, part in zip(sides, self._parts, strict=True)]
            logits[row] = sum(products) + self._bias
        return logits

    def _weigh(self, counts: np.ndarray, ids: np.ndarray) -> np.ndarray:
        weights = np.where(counts > 0, 1 + np.log(np.maximum(counts, 1)), 0).astype(np.float32) * self._idf[ids]
        scaled: np.ndarray = weights / np.maximum(np.linalg.norm(weights, axis=1, keepdims=True), 1e-12)
        return scaled


class TfidfRuntime(Runtime):
    """See `pipeline.runtimes.base.Runtime`."""

    name = "tfidf"
    requires = ("numpy", "safetensors")
    weights = (WEIGHTS,)
    files = (FEATURES,)
    no_profile_reason = "It runs a few NumPy operations, and NumPy has no profiler."

    def open(self, artifact: Path, description: Description, threads: int) -> TfidfClassifier:
        """Load it; it uses one thread. Raises OSError when a file is missing, ValueError when one is damaged."""
        return checked_open(artifact, (FEATURES, WEIGHTS), lambda: TfidfClassifier(artifact, description))


RUNTIME = TfidfRuntime()
