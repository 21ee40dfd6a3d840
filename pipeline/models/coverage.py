"""How much of the training texts a tokenizer sees: what is cut at `max_length`, and what is unknown to it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.tasks import inputs
from pipeline.tasks.inputs import Given, Input

SAMPLE_TEXTS = 3000
SAMPLE_CHARACTERS = 2_000_000  # about a second
MAX_CHARACTERS = 50_000  # of one text; longer ones are counted in proportion
CUT_BOUND, UNKNOWN_BOUND = 0.05, 0.05  # shares of the tokens: more is a warning


@dataclass(frozen=True)
class Coverage:
    """Shares from 0 to 1 of a sample of the training texts."""

    texts: int  # in the sample
    max_length: int
    truncated_share: float  # of the texts, or pairs of texts: those with more tokens than max_length
    lost_token_share: float  # of the tokens: those behind max_length
    unknown_token_share: float  # of the tokens: those that the vocabulary lacks

    def metrics(self) -> dict[str, float]:
        """By MLflow name, see `pipeline.evaluation.metrics`."""
        return {
            "data/truncated_share": self.truncated_share,
            "data/lost_token_share": self.lost_token_share,
            "data/unknown_token_share": self.unknown_token_share,
        }


def lines(metrics: Mapping[str, float], all_cuts: bool = False) -> list[str]:
    """Sentences about the `metrics` of a coverage that are above their bounds; with `all_cuts` about any cut text."""
    cut, lost, unknown = (metrics.get(f"data/{name}_share", 0.0) for name in ("truncated", "lost_token", "unknown_token"))
    found = []
    if lost > CUT_BOUND or (all_cuts and cut > 0):
        found.append(
            f"{cut:.1%} of the training texts are longer than backbone.max_length and are cut there, which loses "
            f"{lost:.1%} of all tokens"
        )
    if unknown > UNKNOWN_BOUND:
        found.append(
            f"{unknown:.1%} of the tokens of the training texts are unknown to the backbone's vocabulary; "
            "use a backbone of that language"
        )
    return found


def measure(texts: Sequence[Input], tokenizer: Any, max_length: int) -> Coverage:
    """Count with a tokenizer of the library tokenizers."""
    tokenizer = type(tokenizer).from_str(tokenizer.to_str())
    tokenizer.no_truncation()
    tokenizer.no_padding()
    short = [inputs.cut(text, MAX_CHARACTERS) for text in texts]
    encoded = tokenizer.encode_batch_fast(short)
    whole = np.array([inputs.length(text) / max(1, inputs.length(part)) for text, part in zip(texts, short, strict=True)])
    whole = np.maximum(1.0, whole)
    tokens = whole * [len(each.ids) for each in encoded]
    unknown_id = _unknown(tokenizer)
    unknown = whole * [each.ids.count(unknown_id) for each in encoded]
    lost = np.maximum(0, tokens - max_length)
    total = max(1.0, float(tokens.sum()))
    return Coverage(
        len(texts), max_length, float(np.mean(lost > 0)), float(lost.sum()) / total, float(unknown.sum()) / total
    )


def sample(texts: Sequence[Given], seed: int) -> list[Given]:
    """Inputs of a split, drawn with the seed, until there are SAMPLE_TEXTS or SAMPLE_CHARACTERS."""
    drawn: list[Given] = []
    size = 0
    for row in np.random.default_rng(seed).permutation(len(texts))[:SAMPLE_TEXTS].tolist():
        drawn.append(texts[row])
        size += inputs.length(inputs.cut(texts[row], MAX_CHARACTERS))
        if size > SAMPLE_CHARACTERS:
            break
    return drawn


def _unknown(tokenizer: Any) -> int | None:
    model = json.loads(tokenizer.to_str())["model"]
    number: int | None = model.get("unk_id")
    return tokenizer.token_to_id(model["unk_token"]) if model.get("unk_token") else number
