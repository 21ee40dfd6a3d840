"""Runtime "tfidf": how often words and parts of words stand in a text, weighed, times a matrix; NumPy alone.

The weights are those of scikit-learn's TfidfVectorizer with sublinear counts: (1 + ln count) * idf, each text normalised to
length 1. Nothing of a text but its known words and character n-grams is seen.
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

FEATURES, WEIGHTS = "features.json", "linear.safetensors"
WORD = re.compile(r"\w+")
CHARACTERS = (2, 3, 4, 5)  # n-grams within a word, its ends marked
PART = "#"  # what no word begins with


def features(text: str) -> list[str]:
    """The words of a text, its pairs of words and the parts of its words, each as often as it stands there."""
    words = WORD.findall(text.lower())
    found = words + [f"{one} {other}" for one, other in itertools.pairwise(words)]
    for word in words:
        marked = f"<{word}>"
        found += [f"{PART}{marked[i : i + n]}" for n in CHARACTERS for i in range(len(marked) - n + 1)]
    return found


class TfidfClassifier(Classifier):
    """Inference with NumPy; its ids are features, its mask how often each stands in the text."""

    def __init__(self, artifact: Path, description: Description) -> None:
        from safetensors.numpy import load_file

        self.labels = description.labels
        names = json.loads((artifact / FEATURES).read_text(encoding="utf-8"))
        self._ids = {name: number for number, name in enumerate(names)}
        stored = load_file(artifact / WEIGHTS)
        self._idf, self._weights, self._bias = (stored[name] for name in ("idf", "weights", "bias"))
        if self._weights.shape != (len(names), len(self.labels)) or self._idf.shape != (len(names),):
            raise ValueError(f"{WEIGHTS}: not of the size of {FEATURES} and the labels")

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Known features and their counts, both int64 (len(texts), most features); a count of 0 fills up."""
        counted = [Counter(self._ids[name] for name in features(text) if name in self._ids) for text in texts]
        ids = np.zeros((len(texts), max(1, *map(len, counted))), dtype=np.int64)
        counts = np.zeros_like(ids)
        for row, found in enumerate(counted):
            ids[row, : len(found)], counts[row, : len(found)] = list(found), list(found.values())
        return ids, counts

    def forward(self, *encoded: Any) -> np.ndarray:
        """Logits of what `encode` gave: float32 (len(ids), labels)."""
        ids, counts = encoded
        weights = np.where(counts > 0, 1 + np.log(np.maximum(counts, 1)), 0).astype(np.float32) * self._idf[ids]
        weights /= np.maximum(np.linalg.norm(weights, axis=1, keepdims=True), 1e-12)
        rows = self._weights[ids].astype(np.float32)  # (n, features, labels)
        logits: np.ndarray = (weights[:, None, :] @ rows)[:, 0] + self._bias
        return logits


class TfidfRuntime(Runtime):
    """See `pipeline.runtimes.base.Runtime`."""

    name = "tfidf"
    requires = ("numpy", "safetensors")
    weights = (WEIGHTS,)
    files = (FEATURES,)
    unseen = "It is a few operations of NumPy, which has no profiler of its own."

    def open(self, artifact: Path, description: Description, threads: int) -> TfidfClassifier:
        """Load it; it has one thread. Raises OSError when a file is missing, ValueError when one is broken."""
        return checked_open(artifact, (FEATURES, WEIGHTS), lambda: TfidfClassifier(artifact, description))


RUNTIME = TfidfRuntime()
