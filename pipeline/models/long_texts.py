"""Cuts very long texts before they are tokenized, so that an answer takes milliseconds instead of seconds.

Only a start (or end) is kept that cannot change the tokens that truncation keeps. Tokenizers split a text into words before
they make tokens of each: at spaces, most also at punctuation or around each Chinese character. A cut changes only the words
next to it, so it is good if `SAFE_WORDS` lie between it and the tokens that are kept. A tokenizer that splits in another way
gets the whole text, and so does one that finds no words in it: Chinese without spaces, where only spaces split. Words that
are unknown because they are too long, and runs of spaces, are shortened where that changes nothing.

Each text of a pair is cut alone. Truncation then takes from the longer one; where both were cut and an odd number of tokens
is left to them, the last one may go to the other text than without the cut.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from pipeline.tasks.inputs import Input

MARGIN = 256  # tokens beyond those that are kept, in the first attempt
CHARACTERS_PER_TOKEN = 8  # of the first attempt; it is doubled until there are enough words
SAFE_WORDS = 32  # more than any added token has parts, for one that is cut in two
LETTERS = r"[^\W_\u2e80-\U0010ffff]"  # no punctuation, nothing that is a word by itself
SPACES = r"[ \t\r\n]"
TIMES_TOO_LONG = 10  # so many letters are too many even if a normalizer removes some
SPLITS_LOCALLY = {"BertPreTokenizer", "Whitespace", "WhitespaceSplit"}
SPLITS_WORDS_LOCALLY = {"Punctuation", "Digits"}  # beside others
LOCAL = {  # normalizers that change a character, or characters that combine with it, wherever they stand
    "BertNormalizer", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "Nmt", "Precompiled", "Strip", "StripAccents",
}  # fmt: skip


class LongTexts:
    """Cuts the texts of one tokenizer (of the library tokenizers)."""

    def __init__(self, tokenizer: Any, max_length: int) -> None:
        self._size = CHARACTERS_PER_TOKEN * (max_length + MARGIN)
        self._max_length = max_length
        self._tokenizer = tokenizer
        self._counter: Any = None  # a copy that does not truncate; None: not needed yet
        self._runs: re.Pattern[str] | None = None  # what may be replaced by one of its groups

    def cut(self, given: Sequence[Input], side: str) -> list[Input]:
        """The inputs; of a very long text only its start, or with side="left" its end.

        With these the tokenizer keeps the same `max_length` tokens as with the whole texts, when it truncates on the other
        end: side="right" is truncation of the end.
        """
        return [
            self._short(each, side) if isinstance(each, str) else (self._short(each[0], side), self._short(each[1], side))
            for each in given
        ]

    def _short(self, text: str, side: str) -> str:
        return text if len(text) <= 2 * self._size else self._cut(text, side)

    def _cut(self, text: str, side: str) -> str:
        if self._counter is None:
            self._counter = _copy(self._tokenizer)
            self._runs = _runs(self._tokenizer)
        size = self._size
        while self._counter is not False and 2 * size < len(text):
            piece = self._without_runs(text[:size] if side == "right" else text[-size:])
            words = self._counter.encode(piece, add_special_tokens=False).word_ids  # of each token, the number of its word
            if len(words) > self._max_length and self._words_left(words, side) > SAFE_WORDS:
                return piece
            size *= 2
        return self._without_runs(text)

    def _without_runs(self, text: str) -> str:
        return text if self._runs is None else self._runs.sub(lambda run: run[1] or run[2], text)

    def _words_left(self, words: Sequence[int], side: str) -> int:
        """The number of words between the tokens that are kept and the cut."""
        kept = self._max_length
        return words[-1] - words[kept - 1] if side == "right" else words[-kept] - words[0]


def _copy(tokenizer: Any) -> Any:
    """The tokenizer without truncation and padding; False if a cut could change distant words, as far as is known."""
    from tokenizers import Tokenizer

    described = tokenizer.to_str()
    parts = json.loads(described)
    if not _is_local(parts["normalizer"]) or not _splits(parts["pre_tokenizer"]):
        return False
    copied = Tokenizer.from_str(described)
    copied.no_truncation()
    copied.no_padding()
    return copied


def _runs(tokenizer: Any) -> re.Pattern[str] | None:
    """What WordPiece takes for one unknown word, with its beginning as a group, and spaces, likewise; None for others."""
    parts = json.loads(tokenizer.to_str())
    if parts["model"]["type"] != "WordPiece" or (parts["pre_tokenizer"] or {}).get("type") != "BertPreTokenizer":
        return None
    if any(re.fullmatch(f"{LETTERS}+", token["content"]) for token in parts["added_tokens"]):  # found within words
        return None
    size = TIMES_TOO_LONG * parts["model"]["max_input_chars_per_word"]
    return re.compile("|".join(rf"(?<!{kind})({kind}{{{size}}}){kind}+" for kind in (LETTERS, SPACES)))


def _is_local(normalizer: dict[str, Any] | None) -> bool:
    if normalizer is None:
        return True
    if normalizer["type"] == "Sequence":
        return all(_is_local(part) for part in normalizer["normalizers"])
    runs_of_spaces = normalizer["type"] == "Replace" and normalizer["pattern"] in ({"Regex": " {2,}"}, {"String": " "})
    return runs_of_spaces or normalizer["type"] in LOCAL


def _splits(splitter: dict[str, Any] | None) -> bool:
    """Whether a pre-tokenizer splits between words, each where its neighbours decide."""
    if splitter is None:
        return False
    kind = splitter["type"]
    if kind == "Sequence":
        parts = [part for part in splitter["pretokenizers"] if part["type"] not in SPLITS_WORDS_LOCALLY]
        return bool(parts) and all(map(_splits, parts))
    if kind == "Metaspace":
        return bool(splitter.get("split", True))
    return kind in SPLITS_LOCALLY or (kind == "ByteLevel" and bool(splitter.get("use_regex", True)))
