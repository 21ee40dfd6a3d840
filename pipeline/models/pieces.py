"""The kinds of vocabulary: which pieces spell any word, which a piece is made of, how one with fewer pieces is written.

WordPiece (BERT) takes the longest piece from the left, byte-pair encoding (RoBERTa, ModernBERT) joins two neighbours at a
time, Unigram (XLM-R, ALBERT, DeBERTa-v3) takes the most likely sequence. With each, a word whose pieces are all kept is
split as before: the others were no better choice with them, and are none without them. Not here: which are kept of the rest.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from pipeline.errors import OptimizationError

RESERVED = re.compile(r"\[\w+\]|<\w+>\w*")  # "[unused7]", "<s>NOTUSED": in no text
BYTE = re.compile("<0x[0-9A-F]{2}>")  # what a character without a piece falls back to, one piece a byte


class Pieces(ABC):
    """The pieces of one vocabulary, from what `tokenizer.json` says under "model"."""

    def __init__(self, model: Mapping[str, Any]) -> None:
        self.model = model
        self.ids = self._ids()  # piece -> number

    def _ids(self) -> dict[str, int]:
        return dict(self.model["vocab"])

    @abstractmethod
    def required(self) -> set[int]:
        """The pieces without which a text might become unknown that is known now."""

    def parts_of(self, number: int) -> set[int]:
        """The pieces that a piece is made of, which must be kept with it."""
        return set()

    @abstractmethod
    def only(self, number: Mapping[int, int]) -> dict[str, Any]:
        """The model with those pieces only that are in `number`, which has their new numbers, by the old ones."""

    def _named(self, *names: str | None) -> set[int]:
        return {self.ids[name] for name in names if name in self.ids}

    def _kept(self, number: Mapping[int, int]) -> dict[str, int]:
        kept = {piece: number[own] for piece, own in self.ids.items() if own in number}
        return dict(sorted(kept.items(), key=lambda item: item[1]))


class WordPieces(Pieces):
    """Words are cut from the left into the longest pieces; all but the first have a prefix, such as "##"."""

    def required(self) -> set[int]:
        """All characters, the pieces with a character that has no piece of its own, and the unknown token."""
        prefix = self.model["continuing_subword_prefix"]
        found = self._named(self.model["unk_token"])
        for piece, number in self.ids.items():
            inner = piece.removeprefix(prefix)
            first = prefix if piece != inner else ""
            spelled = [f"{prefix if place else first}{character}" for place, character in enumerate(inner)]
            if spelled == [piece] or not (RESERVED.fullmatch(piece) or all(each in self.ids for each in spelled)):
                found.add(number)
        return found

    def only(self, number: Mapping[int, int]) -> dict[str, Any]:
        """See `Pieces.only`."""
        return {**self.model, "vocab": self._kept(number)}


class BytePairs(Pieces):
    """Two neighbours are joined at a time, in the order of a list of merges; the first pieces are bytes or characters."""

    def __init__(self, model: Mapping[str, Any]) -> None:
        super().__init__(model)
        prefix = len(model.get("continuing_subword_prefix") or "")
        self._made = [f"{first}{second[prefix:]}" for first, second in model["merges"]]
        self._parts: dict[int, set[int]] = {}
        for made, pair in zip(self._made, model["merges"], strict=True):
            self._parts.setdefault(self.ids[made], set()).update(self.ids[part] for part in pair)

    def required(self) -> set[int]:
        """What no merge makes: bytes or characters, and the unknown token."""
        return (set(self.ids.values()) - set(self._parts)) | self._named(self.model.get("unk_token"))

    def parts_of(self, number: int) -> set[int]:
        """Of each merge that makes it."""
        return self._parts.get(number, set())

    def only(self, number: Mapping[int, int]) -> dict[str, Any]:
        """With the merges of pieces that are kept, into pieces that are kept."""
        merges = [
            [*pair]
            for made, pair in zip(self._made, self.model["merges"], strict=True)
            if all(self.ids[piece] in number for piece in (made, *pair))
        ]
        return {**self.model, "vocab": self._kept(number), "merges": merges}


class Unigrams(Pieces):
    """Each piece has a log-probability; an unknown character costs 10 more than the least likely piece."""

    def _ids(self) -> dict[str, int]:
        return {piece: number for number, (piece, _) in enumerate(self.model["vocab"])}

    def required(self) -> set[int]:
        """All characters, pieces with a character that has none, bytes, the unknown token, and the least likely piece."""
        found = {number for piece, number in self.ids.items() if len(piece) == 1 or not self._spelled(piece)}
        if self.model.get("byte_fallback"):
            found |= {number for piece, number in self.ids.items() if BYTE.fullmatch(piece)}
        scores = [score for _, score in self.model["vocab"]]
        unknown = self.model["unk_id"]
        return found | {scores.index(min(scores))} | ({unknown} if unknown is not None else set())

    def _spelled(self, piece: str) -> bool:
        return RESERVED.fullmatch(piece) is not None or all(character in self.ids for character in piece)

    def only(self, number: Mapping[int, int]) -> dict[str, Any]:
        """See `Pieces.only`."""
        vocabulary = [self.model["vocab"][self.ids[piece]] for piece in self._kept(number)]
        unknown = self.model["unk_id"]
        return {**self.model, "vocab": vocabulary, "unk_id": None if unknown is None else number[unknown]}


KINDS: dict[str, type[Pieces]] = {"WordPiece": WordPieces, "BPE": BytePairs, "Unigram": Unigrams}


def pieces_of(model: Mapping[str, Any]) -> Pieces:
    """The pieces of a model of `tokenizer.json`. Raises OptimizationError for another kind of vocabulary."""
    if model["type"] not in KINDS:
        raise OptimizationError(
            f"the vocabulary of a {model['type']} tokenizer can't be trimmed, only that of {', '.join(KINDS)}"
        )
    return KINDS[model["type"]](model)
