"""How long the training texts are for a tokenizer, what is cut, what it does not know, and which signs they consist of."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.models import coverage
from pipeline.tasks.inputs import Input, parts_of, texts_of

MAX_TEXTS, MAX_CHARACTERS = 20_000, 5_000_000  # that are tokenized: a few seconds
PERCENTILES = (5, 25, 50, 75, 90, 95, 99, 99.5, 100)
BINS = 40
MAX_UNKNOWN_TEXTS, MAX_SHOWN = 2_000, 10
SCRIPT_CHARACTERS = 500_000  # that are looked at for their scripts
MIN_SCRIPT = 0.001  # share of the letters: a rarer script is not named


@dataclass(frozen=True)
class Lengths:
    """Of a sample of the training texts. Lengths are in tokens, special ones included; shares from 0 to 1."""

    texts: int  # in the sample
    max_length: int
    percentiles: dict[str, int]
    edges: tuple[float, ...]  # of the bins of the histogram, one more than bins
    counts: tuple[int, ...]  # texts in each
    truncated_share: float  # of the texts
    lost_token_share: float
    unknown_token_share: float
    pieces_per_word: float | None  # see `coverage.Coverage`
    unknown: dict[str, int]  # what is unknown most often, and how often; of a part of the sample
    scripts: dict[str, float]  # such as "LATIN" -> share of the letters
    emoji_share: float  # of the texts: those with an emoji or another picture

    def metrics(self) -> dict[str, float]:
        """As those of a `coverage.Coverage`."""
        return coverage.Coverage(
            self.texts, self.max_length, self.truncated_share, self.lost_token_share, self.unknown_token_share,
            self.pieces_per_word,
        ).metrics()  # fmt: skip


def lengths_of(given: Sequence[Input], tokenizer: Any, max_length: int) -> Lengths:
    """Look at texts, or pairs of them, with a tokenizer of the library tokenizers."""
    counts, texts = coverage.count(given, tokenizer), texts_of(given)
    shares = coverage.of_counts(counts, max_length)
    tokens = counts.tokens
    in_bins, edges = np.histogram(tokens, bins=min(BINS, max(1, int(np.ptp(tokens)))))
    doubtful = texts_of(given[row] for row in np.flatnonzero(counts.unknown > 0)[:MAX_UNKNOWN_TEXTS])
    return Lengths(
        len(given), max_length,
        {f"{p:g}": int(np.ceil(np.percentile(tokens, p, method="inverted_cdf"))) for p in PERCENTILES},
        tuple(round(float(edge), 2) for edge in edges), tuple(int(count) for count in in_bins),
        shares.truncated_share, shares.lost_token_share, shares.unknown_token_share, shares.pieces_per_word,
        _unknown(doubtful, tokenizer), _scripts(texts),
        float(np.mean([any(map(_has_emoji, parts_of(each))) for each in given])),
    )  # fmt: skip


def _unknown(texts: Sequence[str], tokenizer: Any) -> dict[str, int]:
    """What in the texts becomes the unknown token, or falls into bytes, the most frequent first."""
    tokenizer, found = coverage.whole_texts(tokenizer), Counter[str]()
    lacking = coverage.unknown_tokens(tokenizer)
    beginnings = [text[: coverage.MAX_CHARACTERS] for text in texts]
    for text, encoded in zip(beginnings, tokenizer.encode_batch(beginnings, add_special_tokens=False), strict=True):
        places = {place for place, token in zip(encoded.offsets, encoded.ids, strict=True) if token in lacking}
        found.update(text[start:end].strip() for start, end in places)
    return dict(found.most_common(MAX_SHOWN))


def _scripts(texts: Sequence[str]) -> dict[str, float]:
    """The share of each script, by the first word of the Unicode names of its letters."""
    each = max(1, SCRIPT_CHARACTERS // max(1, len(texts)))
    letters = Counter(sign for text in texts for sign in text[:each] if sign.isalpha())
    scripts = Counter[str]()
    for letter, times in letters.items():
        scripts[unicodedata.name(letter, "OTHER").split()[0]] += times
    total = max(1, scripts.total())
    return {name: times / total for name, times in scripts.most_common() if times >= MIN_SCRIPT * total}


def _has_emoji(text: str) -> bool:
    return any(unicodedata.category(sign) == "So" for sign in set(text[: coverage.MAX_CHARACTERS]) if sign > "\u2000")
