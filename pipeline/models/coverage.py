"""How much of the training texts a tokenizer sees: what is cut at `max_length`, unknown to it, or in pieces."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.tasks import inputs, words
from pipeline.tasks.inputs import Given, Input

SAMPLE_TEXTS = 3000
SAMPLE_CHARACTERS = 2_000_000  # about a second
MAX_CHARACTERS = 50_000  # of one text; longer ones are counted in proportion
CUT_BOUND, UNKNOWN_BOUND = 0.05, 0.05  # shares of the tokens: more is a warning
PIECES_BOUND = 1.4  # a word; the language of a vocabulary has 1.0 to 1.3, other languages in its script 1.4 to 1.8
SMALL_VOCABULARY = 1000  # pieces; with fewer, words fall to pieces in any language
LARGE_VOCABULARY = 150_000  # with more it is of many languages, where words have 1.2 to 2 pieces
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"  # scripts without spaces
WORD, NO_WORDS = re.compile(f"{words.WORD}|{words.OTHER}"), re.compile(f"[{UNSPACED}]")
PART = re.compile("<0x[89A-F][0-9A-F]>")  # a byte of a character of several


@dataclass(frozen=True)
class Coverage:
    """Shares from 0 to 1 of a sample of the training texts."""

    texts: int  # in the sample
    max_length: int
    truncated_share: float  # of the texts, or pairs of texts: those with more tokens than max_length
    lost_token_share: float  # of the tokens: those behind max_length
    unknown_token_share: float  # of the tokens: those for what the vocabulary lacks, see `unknown_tokens`
    pieces_per_word: float | None = None  # None: no text has words, or the vocabulary is of characters or many languages

    def metrics(self) -> dict[str, float]:
        """By MLflow name, see `pipeline.evaluation.metrics`."""
        found = {
            "data/truncated_share": self.truncated_share,
            "data/lost_token_share": self.lost_token_share,
            "data/unknown_token_share": self.unknown_token_share,
        }
        return found if self.pieces_per_word is None else found | {"data/pieces_per_word": self.pieces_per_word}


@dataclass(frozen=True)
class Counts:
    """Of each text of a sample, as float64 (texts,); of a very long text estimates from its beginning."""

    tokens: np.ndarray  # with special tokens
    unknown: np.ndarray  # of them
    pieces_per_word: float | None  # of the whole sample, see `Coverage`


def lines(metrics: Mapping[str, float], all_cuts: bool = False) -> list[str]:
    """Sentences about the `metrics` of a coverage that are above their bounds; with `all_cuts` about any cut text."""
    cut, lost, unknown = (metrics.get(f"data/{name}_share", 0.0) for name in ("truncated", "lost_token", "unknown_token"))
    found = []
    if lost > CUT_BOUND or (all_cuts and cut > 0):
        found.append(
            f"{percent(cut)} of the training texts are longer than backbone.max_length allows and are cut there, which "
            f"loses {percent(lost)} of all tokens"
        )
    if unknown > UNKNOWN_BOUND:
        found.append(
            f"{unknown:.1%} of the tokens of the training texts are unknown to the backbone's vocabulary, or single bytes "
            "of characters that it lacks; use a backbone of that language"
        )
    pieces = metrics.get("data/pieces_per_word", 1.0)
    if pieces > PIECES_BOUND:
        found.append(
            f"the words of the training texts fall into {pieces:.2f} pieces each, in the language of a vocabulary it is "
            "1.0 to 1.3; is this a backbone of their language?"
        )
    return found


def percent(share: float) -> str:
    """One digit behind the point; a share that is not 0 never reads as 0."""
    return "less than 0.1%" if 0 < share < 0.0005 else f"{share:.1%}"


def untrained(trained: Coverage) -> list[str]:
    """A sentence about what answers in windows read, and training does not; trained: what training reads."""
    if not trained.truncated_share:
        return []
    return [
        f"{percent(trained.truncated_share)} of the training texts are longer than backbone.max_length; answers read "
        f"windows of them, training their beginning, which leaves out {percent(trained.lost_token_share)} of all tokens"
    ]


def of_counts(counts: Counts, max_length: int) -> Coverage:
    """The shares of what was counted."""
    tokens = counts.tokens
    lost = np.maximum(0, tokens - max_length)
    total = max(1.0, float(tokens.sum()))
    return Coverage(
        len(tokens), max_length, float(np.mean(lost > 0)), float(lost.sum()) / total, float(counts.unknown.sum()) / total,
        counts.pieces_per_word,
    )  # fmt: skip


def count(texts: Sequence[Input], tokenizer: Any) -> Counts:
    """Count the tokens of whole inputs, with a tokenizer of the library tokenizers."""
    tokenizer = whole_texts(tokenizer)
    beginnings = [inputs.cut(text, MAX_CHARACTERS) for text in texts]
    encoded = tokenizer.encode_batch_fast(beginnings)
    lengths = [(inputs.length(text), inputs.length(part)) for text, part in zip(texts, beginnings, strict=True)]
    whole = np.array([max(1.0, all_of_it / max(1, part)) for all_of_it, part in lengths])
    lacking = unknown_tokens(tokenizer)
    tokens = np.array([len(each.ids) for each in encoded])
    unknown = [sum(number in lacking for number in each.ids) for each in encoded]
    return Counts(whole * tokens, whole * unknown, _pieces_per_word(beginnings, tokens, tokenizer))


def _pieces_per_word(texts: Sequence[Input], tokens: np.ndarray, tokenizer: Any) -> float | None:
    """See `Coverage`; tokens: of each input, with special tokens."""
    if not SMALL_VOCABULARY <= tokenizer.get_vocab_size() <= LARGE_VOCABULARY:
        return None
    parts = [inputs.parts_of(text) for text in texts]
    spaced = [row for row, own in enumerate(parts) if not any(map(NO_WORDS.search, own))]
    count_of_words = sum(len(WORD.findall(text)) for row in spaced for text in parts[row])
    special = sum(tokenizer.num_special_tokens_to_add(len(parts[row]) > 1) for row in spaced)
    return float((tokens[spaced].sum() - special) / count_of_words) if count_of_words else None


def whole_texts(tokenizer: Any) -> Any:
    """A copy of a tokenizer that neither cuts nor pads."""
    copied = type(tokenizer).from_str(tokenizer.to_str())
    copied.no_truncation()
    copied.no_padding()
    return copied


def sample(texts: Sequence[Given], seed: int, most: int = SAMPLE_TEXTS, characters: int = SAMPLE_CHARACTERS) -> list[Given]:
    """Inputs of a split, drawn with the seed, until there are so many inputs or characters."""
    drawn: list[Given] = []
    size = 0
    for row in np.random.default_rng(seed).permutation(len(texts))[:most].tolist():
        drawn.append(texts[row])
        size += inputs.length(inputs.cut(texts[row], MAX_CHARACTERS))
        if size > characters:
            break
    return drawn


def unknown_token(tokenizer: Any) -> int | None:
    """The number of the token for what the vocabulary lacks; None: there is none."""
    model = json.loads(tokenizer.to_str())["model"]
    number: int | None = model.get("unk_id")
    return tokenizer.token_to_id(model["unk_token"]) if model.get("unk_token") else number


def unknown_tokens(tokenizer: Any) -> frozenset[int]:
    """The tokens for what the vocabulary lacks: the unknown one, and bytes that are a part of a character only."""
    described, unknown = json.loads(tokenizer.to_str()), unknown_token(tokenizer)
    model = described["model"]
    found = set() if unknown is None else {unknown}
    of_bytes = _has_byte_level(described["pre_tokenizer"])
    for piece, number in tokenizer.get_vocab(with_added_tokens=False).items():
        if (of_bytes and _is_part(piece)) or (model.get("byte_fallback") and PART.fullmatch(piece)):
            found.add(number)
    return frozenset(found)


def _has_byte_level(splitter: dict[str, Any] | None) -> bool:
    inner = (splitter or {}).get("pretokenizers", [])
    return (splitter or {}).get("type") == "ByteLevel" or any(map(_has_byte_level, inner))


def _is_part(piece: str) -> bool:
    """Whether a piece of a byte-level vocabulary ends or begins within a character."""
    try:
        bytes(BYTES[character] for character in piece if character in BYTES).decode()
    except UnicodeDecodeError:
        return True
    return False


def _bytes() -> dict[str, int]:
    """The byte that each character stands for: itself where it can be seen, others follow from 256 on (GPT-2)."""
    seen = [*range(ord("!"), ord("~") + 1), *range(ord("\u00a1"), ord("\u00ac") + 1), *range(ord("\u00ae"), 256)]
    others = [byte for byte in range(256) if byte not in seen]
    return {chr(byte): byte for byte in seen} | {chr(256 + place): byte for place, byte in enumerate(others)}


BYTES = _bytes()
