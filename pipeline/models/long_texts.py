"""Cuts very long texts before they are tokenized, so that an answer takes milliseconds instead of seconds.

Only a start (or end) is kept that cannot change the tokens that truncation keeps. It ends at a space, where the tokenizer
splits, and has more tokens than are kept: `MARGIN` of them. A piece of a word at the cut is among these: WordPiece makes at
most 100 tokens of a word. Tokenizers that do not split at spaces get the whole text.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

MARGIN = 256  # tokens beyond those that are kept
CHARACTERS_PER_TOKEN = 8  # of the first attempt; it is doubled until there are enough tokens
SPLIT = re.compile(r"(?<=\w)[ \n](?=\w)")  # a single space between two words
SPLITS_AT_SPACES = {"BertPreTokenizer", "Whitespace", "WhitespaceSplit"}
LOCAL = {  # normalizers that change a character, or characters that combine with it, wherever they stand
    "BertNormalizer", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "Nmt", "Precompiled", "Strip", "StripAccents",
}  # fmt: skip


class LongTexts:
    """Cuts the texts of one tokenizer (of the library tokenizers)."""

    def __init__(self, tokenizer: Any, max_length: int) -> None:
        self._size = CHARACTERS_PER_TOKEN * (max_length + MARGIN)
        self._tokens = max_length + MARGIN
        self._tokenizer = tokenizer
        self._counter: Any = None  # a copy that does not truncate; None: not needed yet

    def cut(self, texts: Sequence[str], side: str) -> list[str]:
        """The texts; of a very long one only its start, or with side="left" its end.

        With these the tokenizer keeps the same `max_length` tokens as with the whole texts, when it truncates on the other
        end: side="right" is truncation of the end.
        """
        return [text if len(text) <= 2 * self._size else self._cut(text, side) for text in texts]

    def _cut(self, text: str, side: str) -> str:
        if self._counter is None:
            self._counter = _copy(self._tokenizer)
        size = self._size
        while self._counter is not False and 2 * size < len(text):
            piece = _start(text, size) if side == "right" else _end(text, size)
            if piece is not None and len(self._counter.encode(piece, add_special_tokens=False)) > self._tokens:
                return piece
            size *= 2
        return text


def _start(text: str, size: int) -> str | None:
    """The start of a text up to the last space between two words in its second half; None where there is none."""
    spaces = list(SPLIT.finditer(text, size // 2, size))
    return text[: spaces[-1].start()] if spaces else None


def _end(text: str, size: int) -> str | None:
    spaces = SPLIT.search(text, len(text) - size, len(text) - size // 2)
    return text[spaces.start() :] if spaces else None


def _copy(tokenizer: Any) -> Any:
    """The tokenizer without truncation and padding; False if it does not split at spaces, as far as is known."""
    from tokenizers import Tokenizer

    described = tokenizer.to_str()
    parts = json.loads(described)
    if not _is_local(parts["normalizer"]) or not _splits(parts["pre_tokenizer"]):
        return False
    copied = Tokenizer.from_str(described)
    copied.no_truncation()
    copied.no_padding()
    return copied


def _is_local(normalizer: dict[str, Any] | None) -> bool:
    if normalizer is None:
        return True
    if normalizer["type"] == "Sequence":
        return all(_is_local(part) for part in normalizer["normalizers"])
    runs_of_spaces = normalizer["type"] == "Replace" and normalizer["pattern"] in ({"Regex": " {2,}"}, {"String": " "})
    return runs_of_spaces or normalizer["type"] in LOCAL


def _splits(splitter: dict[str, Any] | None) -> bool:
    """Whether a pre-tokenizer splits between words at a space."""
    if splitter is None:
        return False
    kind = splitter["type"]
    if kind == "Sequence":
        return any(_splits(part) for part in splitter["pretokenizers"])
    if kind == "Metaspace":
        return bool(splitter.get("split", True))
    return kind in SPLITS_AT_SPACES or (kind == "ByteLevel" and bool(splitter.get("use_regex", True)))
