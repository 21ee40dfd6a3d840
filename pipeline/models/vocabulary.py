"""A smaller vocabulary: the pieces of some texts, those that spell any other word, and frequent ones.

For WordPiece, byte-pair and Unigram tokenizers, see `pieces.py`. Pieces keep their order, which is by frequency. A text of
which no piece was removed is split as before, with rare exceptions, which `compare` counts.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer

from pipeline.models.coverage import MAX_CHARACTERS, unknown_tokens
from pipeline.models.pieces import RESERVED, Pieces, pieces_of

CHUNK = 1000  # texts that are tokenized together


@dataclass(frozen=True)
class Choice:
    """The pieces to keep."""

    ids: list[int]  # by their new numbers; the order is as before
    required: int  # so many are needed, whatever the size asked for


@dataclass(frozen=True)
class Comparison:
    """What a smaller vocabulary does to some texts."""

    texts: int
    changed: int  # of the texts: those that fall into other pieces
    unknown: int  # tokens that only the smaller one does not know

    @property
    def same_share(self) -> float:
        """Of the texts."""
        return 1 - self.changed / max(1, self.texts)


def require_known_kind(tokenizer: Tokenizer) -> None:
    """Raises OptimizationError for a tokenizer whose vocabulary can't be trimmed."""
    pieces_of(json.loads(tokenizer.to_str())["model"])


def select_pieces(tokenizer: Tokenizer, texts: Sequence[str], count: int, first: int = 0, side: str = "right") -> Choice:
    """Choose `count` pieces, or more if more are required.

    Required are special and added tokens, what spells any word, the pieces of `texts` and their parts, and those numbered
    below `first`. The most frequent of the other pieces fill the rest. side: where texts are truncated. Raises
    OptimizationError for a tokenizer of another kind.
    """
    described = json.loads(tokenizer.to_str())
    pieces = pieces_of(described["model"])
    needed = {token["id"] for token in described["added_tokens"]} | pieces.required() | set(range(first))
    for some in parts_read(texts, side):
        for encoding in tokenizer.encode_batch_fast(some):
            needed.update(encoding.ids)
    kept = with_parts(pieces, needed)
    required = len(kept)
    own = set(pieces.ids.values())
    for number in sorted(own - {number for piece, number in pieces.ids.items() if RESERVED.fullmatch(piece)}):
        more = with_parts(pieces, {number}) - kept
        if len(kept) + len(more) <= count:
            kept |= more
    return Choice(sorted(kept, key=lambda number: (number not in own, number)), required)


def with_parts(pieces: Pieces, numbers: Iterable[int]) -> set[int]:
    """Some pieces, and all that they are made of."""
    found: set[int] = set()
    further = set(numbers)
    while further:
        found |= further
        further = {part for number in further for part in pieces.parts_of(number)} - found
    return found


def parts_read(texts: Sequence[str], side: str) -> Iterator[list[str]]:
    """The texts in lists of a thousand; of a very long one the end that a network sees: the one that is not truncated."""
    for start in range(0, len(texts), CHUNK):
        some = texts[start : start + CHUNK]
        yield [text[-MAX_CHARACTERS:] if side == "left" else text[:MAX_CHARACTERS] for text in some]


def compare(before: Tokenizer, after: Tokenizer, kept: Sequence[int], texts: Sequence[str], side: str) -> Comparison:
    """Split texts with both tokenizers; kept: the old numbers of the pieces, by their new ones."""
    changed = unknown = 0
    lacking = [unknown_tokens(each) for each in (before, after)]
    for some in parts_read(texts, side):
        for one, other in zip(*(each.encode_batch_fast(some) for each in (before, after)), strict=True):
            if one.ids != [kept[number] for number in other.ids]:
                changed += 1
                counts = [sum(number in own for number in each.ids) for own, each in zip(lacking, (one, other), strict=True)]
                unknown += max(0, counts[1] - counts[0])
    return Comparison(len(texts), changed, unknown)


def trim_tokenizer(tokenizer: Tokenizer, kept: Sequence[int]) -> Tokenizer:
    """The tokenizer with these pieces only, numbered from 0 in this order."""
    described = json.loads(tokenizer.to_str())
    number = {old: new for new, old in enumerate(kept)}
    described["model"] = pieces_of(described["model"]).only(number)
    for token in described["added_tokens"]:
        token["id"] = number[token["id"]]
    if described["padding"]:
        described["padding"]["pad_id"] = number[described["padding"]["pad_id"]]
    if described["post_processor"]:
        _renumber(described["post_processor"], number)
    return Tokenizer.from_str(json.dumps(described))


def _renumber(processor: dict[str, Any], number: dict[int, int]) -> None:
    """Renumber the special tokens in a post-processor; each kind of it has their ids in another form."""
    for inner in processor.get("processors", []):
        _renumber(inner, number)
    for end in ("sep", "cls"):
        if end in processor:
            processor[end][1] = number[processor[end][1]]
    for token in processor.get("special_tokens", {}).values():
        token["ids"] = [number[id] for id in token["ids"]]
