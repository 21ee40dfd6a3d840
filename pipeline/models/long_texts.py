"""Cuts very long texts before they are tokenized, so that an answer takes milliseconds instead of seconds.

Only a start (or end) is kept that cannot change the tokens that truncation keeps. Tokenizers split a text into words before
they make tokens of each: at spaces, most also at punctuation or around each Chinese character. A cut changes only the words
next to it, so it is good if `SAFE_WORDS` lie between it and the tokens that are kept. A tokenizer that splits in another way
gets the whole text. Within a very long word, such as Chinese without spaces where only spaces split, a cut is good where
`long_words.py` shows it; else the whole text is taken. Words that are unknown because they are too long, and runs of spaces,
are shortened where that changes nothing.

Each text of a pair is cut alone. Truncation then takes from the longer one; where both were cut and an odd number of tokens
is left to them, the last one may go to the other text than without the cut.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.models.long_words import LongWords, long_words_of
from pipeline.tasks.inputs import Input

MARGIN = 256  # tokens beyond those that are kept, in the first attempt
CHARACTERS_PER_TOKEN = 8  # of the first attempt; it is doubled until there are enough words
SAFE_WORDS = 32  # more than any added token has parts, for one that is cut in two
LETTERS = r"[^\W_\u2e80-\U0010ffff]"  # no punctuation, nothing that is a word by itself
SPACES = r"[ \t\r\n]"
MANY_SPACES = 1000  # that become one
TIMES_TOO_LONG = 10  # so many letters are too many even if a normalizer removes some
SPLITS_LOCALLY = {"BertPreTokenizer", "Whitespace", "WhitespaceSplit"}
SPLITS_WORDS_LOCALLY = {"Punctuation", "Digits"}  # beside others
LOCAL = {  # normalizers that change a character, or characters that combine with it, wherever they stand
    "BertNormalizer", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "Nmt", "Precompiled", "Prepend", "Strip", "StripAccents",
}  # fmt: skip
ONE_SPACE = {" {2,}": " ", r"\s{2,}|[\n\r\t]": SPACES}  # patterns that a normalizer replaces by one space: of what
ATTEMPTS_IN_WORDS = 4  # times the first size: until then a cut within a word is looked for


@dataclass(frozen=True)
class Tools:
    """What is needed to cut texts for one tokenizer at one side."""

    counter: Any  # a copy of the tokenizer that does not truncate
    runs: re.Pattern[str] | None  # what may be replaced by one of its groups
    words: LongWords | None  # None: no cut within a word


class LongTexts:
    """Cuts the texts of one tokenizer (of the library tokenizers)."""

    def __init__(self, tokenizer: Any, max_length: int) -> None:
        self._size = CHARACTERS_PER_TOKEN * (max_length + MARGIN)
        self._max_length = max_length
        self._tokenizer = tokenizer
        self._tools: dict[str, Tools | None] = {}  # by side; None: a cut could change distant words, as far as is known

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
        if side not in self._tools:
            self._tools[side] = _tools(self._tokenizer, side)
        tools = self._tools[side]
        if tools is None:
            return text
        size = self._size
        while 2 * size < len(text):
            piece = _without_runs(text[:size] if side == "right" else text[-size:], tools)
            words = tools.counter.encode(piece, add_special_tokens=False).word_ids  # of each token, the number of its word
            if len(words) > self._max_length and (
                self._words_left(words, side) > SAFE_WORDS
                or (
                    (tools.words and size <= ATTEMPTS_IN_WORDS * self._size)
                    and tools.words.settled(piece, self._max_length, side)
                )
            ):
                return piece
            size *= 2
        return _without_runs(text, tools)

    def _words_left(self, words: Sequence[int], side: str) -> int:
        """The number of words between the tokens that are kept and the cut."""
        kept = self._max_length
        return words[-1] - words[kept - 1] if side == "right" else words[-kept] - words[0]


def _without_runs(text: str, tools: Tools) -> str:
    return text if tools.runs is None else tools.runs.sub(lambda run: run[1] or run[2], text)


def _tools(tokenizer: Any, side: str) -> Tools | None:
    """None if a cut could change distant words, as far as is known."""
    from tokenizers import Tokenizer

    described = tokenizer.to_str()
    parts = json.loads(described)
    if not _is_local(parts["normalizer"], side) or not _splits(parts["pre_tokenizer"]):
        return None
    copied = Tokenizer.from_str(described)
    copied.no_truncation()
    copied.no_padding()
    return Tools(copied, _runs(parts), long_words_of(copied, parts["model"], side))


def _runs(parts: dict[str, Any]) -> re.Pattern[str] | None:
    """Runs that may be shorter, with their beginning as a group; None where each character counts.

    They are what WordPiece takes for one unknown word, and spaces that become one space or none.
    """
    splitter = parts["pre_tokenizer"]
    if parts["model"]["type"] == "WordPiece" and splitter["type"] == "BertPreTokenizer":
        if any(re.fullmatch(f"{LETTERS}+", token["content"]) for token in parts["added_tokens"]):  # found within words
            return None
        return _longer_than(TIMES_TOO_LONG * parts["model"]["max_input_chars_per_word"], LETTERS, SPACES)
    first = splitter.get("pretokenizers", [splitter])[0]
    spaces = SPACES if first["type"] == "WhitespaceSplit" else _spaces_made_one(parts["normalizer"])
    return _longer_than(MANY_SPACES, spaces) if spaces else None


def _longer_than(size: int, *kinds: str) -> re.Pattern[str]:
    return re.compile("|".join(rf"(?<!{kind})({kind}{{{size}}}){kind}+" for kind in kinds))


def _spaces_made_one(normalizer: dict[str, Any] | None) -> str:
    """The spaces of which a normalizer makes one, as a pattern; "" where it makes none."""
    inner = (normalizer or {}).get("normalizers", [normalizer or {}])
    found = [ONE_SPACE.get(each.get("pattern", {}).get("Regex", ""), "") for each in inner]
    return next(filter(None, found), "")


def _is_local(normalizer: dict[str, Any] | None, side: str) -> bool:
    if normalizer is None:
        return True
    if normalizer["type"] == "Sequence":
        return all(_is_local(part, side) for part in normalizer["normalizers"])
    if normalizer["type"] == "Replace":
        pattern = normalizer["pattern"]
        return pattern.get("Regex") in ONE_SPACE or _cut_apart(pattern.get("String", ""), side)
    return normalizer["type"] in LOCAL


def _cut_apart(replaced: str, side: str) -> bool:
    """Whether a string is replaced at the same places after a cut; in a run of quotes the first two decide about all."""
    overlaps = any(replaced.startswith(replaced[place:]) for place in range(1, len(replaced)))
    return bool(replaced) and (side == "right" or not overlaps)


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
