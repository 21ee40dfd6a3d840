"""A smaller vocabulary: the word pieces of some texts, all characters, which spell any other word, and frequent pieces.

Only for WordPiece tokenizers (BERT, MiniLM, DistilBERT, ELECTRA). Pieces keep their order, which in BERT's vocabulary is by
frequency. A text of which no piece was removed is tokenized as before.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from tokenizers import Tokenizer

from pipeline.errors import OptimizationError
from pipeline.models.coverage import MAX_CHARACTERS

CHUNK = 1000  # texts that are tokenized together


def select_pieces(tokenizer: Tokenizer, texts: Sequence[str], count: int) -> list[int]:
    """Ids of the pieces to keep, in rising order: `count` of them, or more if more are required.

    Required are special tokens, the pieces of `texts`, and all single characters, so that unknown words can be spelled. The
    most frequent of the other pieces fill the rest. Raises OptimizationError unless the tokenizer is a WordPiece one.
    """
    described = require_word_piece(tokenizer)
    prefix = described["model"]["continuing_subword_prefix"]
    vocabulary: dict[str, int] = described["model"]["vocab"]
    kept = {token["id"] for token in described["added_tokens"]} | {vocabulary[described["model"]["unk_token"]]}
    kept |= {id for piece, id in vocabulary.items() if len(piece.removeprefix(prefix)) == 1}
    for some in beginnings(texts):
        for encoding in tokenizer.encode_batch_fast(some):
            kept.update(encoding.ids)
    reserved = {id for piece, id in vocabulary.items() if re.fullmatch(r"\[\w+\]", piece)}  # "[unused7]"
    for id in sorted(set(vocabulary.values()) - reserved):
        if len(kept) >= count:
            break
        kept.add(id)
    return sorted(kept)


def beginnings(texts: Sequence[str]) -> Iterator[list[str]]:
    """The texts in lists of a thousand; of a very long one the beginning, which is all that a network sees of it."""
    for start in range(0, len(texts), CHUNK):
        yield [text[:MAX_CHARACTERS] for text in texts[start : start + CHUNK]]


def require_word_piece(tokenizer: Tokenizer) -> dict[str, Any]:
    """What `tokenizer.json` says of a WordPiece tokenizer. Raises OptimizationError for another kind."""
    described: dict[str, Any] = json.loads(tokenizer.to_str())
    if described["model"]["type"] != "WordPiece":
        raise OptimizationError(
            f"the vocabulary of a {described['model']['type']} tokenizer can't be trimmed, only that of a WordPiece one"
        )
    return described


def trim_tokenizer(tokenizer: Tokenizer, kept: Sequence[int]) -> Tokenizer:
    """The tokenizer with these pieces only, numbered from 0 in the same order."""
    described = json.loads(tokenizer.to_str())
    number = {old: new for new, old in enumerate(kept)}
    vocabulary = described["model"]["vocab"]
    described["model"]["vocab"] = {piece: number[id] for piece, id in vocabulary.items() if id in number}
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
