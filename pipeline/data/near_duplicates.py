"""Near duplicates: texts that differ in a few characters only. Found by MinHash over character n-grams (datasketch).

Two texts are near duplicates if at least 80 % of their 5-grams, taken together, are in both (Jaccard similarity), without
regard to case and white space. MinHash and its index give candidates (Broder 1997; Leskovec, Rajaraman and Ullman, Mining of
Massive Datasets, chapter 3), whose similarity is then computed. Of large sets a sample is looked at: it takes seconds.
"""

import random
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasketch import MinHash

NGRAM = 5  # characters
SIMILARITY = 0.8
BANDS, ROWS = 16, 4  # of the index: it finds 99.98 % of the pairs whose similarity is 0.8
MAX_TEXTS = 10_000  # of each side; of more a sample is looked at
MAX_CHARACTERS = 2_000  # of a text; what follows is not compared
CANDIDATES = 20  # of a text: the similarity of so many is computed
EXAMPLES = 3


@dataclass(frozen=True)
class Found:
    """How many texts have a near duplicate. Those that are equal but for case and white space do not count."""

    near: int  # of `looked_at`, the texts that have one in the reference
    looked_at: int  # texts: all, or a sample of them
    texts: int
    reference_looked_at: int
    reference: int
    examples: tuple[tuple[str, str], ...]  # a text, and the one in the reference that it is near to

    @property
    def sampled(self) -> bool:
        """Whether a sample was looked at. With a sample of the reference `near` is too small."""
        return (self.looked_at, self.reference_looked_at) != (self.texts, self.reference)


def count(reference: Any, *others: Any) -> list[Found]:
    """How many texts of `reference` (such as train) have a near duplicate before them, and how many of each other in it.

    Each is a sequence of strings or a column of Arrow.
    """
    known, index = _sample(reference), _Index()
    pairs = [(text, near) for text in known if not index.has(text) and (near := index.add(text)) is not None]
    found = [_found(pairs, known, reference, known, reference)]
    for texts in others:
        asked = _sample(texts)
        pairs = [(text, near) for text in asked if not index.has(text) and (near := index.find(text)) is not None]
        found.append(_found(pairs, asked, texts, known, reference))
    return found


def _found(pairs: list[tuple[str, str]], asked: list[str], texts: Any, known: list[str], reference: Any) -> Found:
    return Found(len(pairs), len(asked), len(texts), len(known), len(reference), tuple(pairs[:EXAMPLES]))


class _Index:
    """Texts by their MinHashes. It keeps the first of texts that are near to each other: else candidates are thousands."""

    def __init__(self) -> None:
        from datasketch import MinHash, MinHashLSH

        self._empty = MinHash(num_perm=BANDS * ROWS, hashfunc=zlib.crc32)
        self._index = MinHashLSH(num_perm=BANDS * ROWS, params=(BANDS, ROWS))
        self._kept: dict[str, str] = {}  # normalized -> as it was
        self._seen: set[str] = set()  # normalized

    def has(self, text: str) -> bool:
        """Whether the text was added, case and white space apart."""
        return _normalized(text) in self._seen

    def add(self, text: str) -> str | None:
        """Add a text; returns what `find` would have returned before."""
        key = _normalized(text)
        self._seen.add(key)
        minhash = self._minhash(key)
        near = self._near(key, minhash)
        if near is None and key not in self._kept:
            self._kept[key] = text
            self._index.insert(key, minhash, check_duplication=False)
        return near

    def find(self, text: str) -> str | None:
        """A text that was added and is near to this one; None if there is none."""
        key = _normalized(text)
        return self._near(key, self._minhash(key))

    def _near(self, key: str, minhash: "MinHash") -> str | None:
        own = _ngrams(key)
        others = [each for each in sorted(self._index.query(minhash)) if each != key][:CANDIDATES]
        return next((self._kept[each] for each in others if _similarity(own, _ngrams(each)) >= SIMILARITY), None)

    def _minhash(self, key: str) -> "MinHash":
        made = self._empty.copy()
        made.update_batch(gram.encode(errors="replace") for gram in _ngrams(key))
        return made


def _normalized(text: str) -> str:
    return " ".join(text[:MAX_CHARACTERS].casefold().split())


def _ngrams(key: str) -> set[str]:
    """All runs of NGRAM characters; a shorter text is one."""
    return {key[start : start + NGRAM] for start in range(max(1, len(key) - NGRAM + 1))}


def _similarity(one: set[str], other: set[str]) -> float:
    """Jaccard similarity."""
    return len(one & other) / len(one | other)


def _sample(texts: Any) -> list[str]:
    """All texts, or MAX_TEXTS that are drawn, in their order."""
    places = range(len(texts))
    drawn = places if len(texts) <= MAX_TEXTS else sorted(random.Random(0).sample(places, MAX_TEXTS))
    return [str(texts[place]) for place in drawn]
