"""The tokenizer of an artifact, written from a transformers tokenizer and compared with it.

Networks are trained, and loaded from the Hub, with the tokenizer of transformers. An artifact is measured and served with
`tokenizer.json` alone. Both must do the same: the sides on which texts are cut and padded, the length, the padding token,
casing, special and added tokens. transformers keeps some of these outside of `tokenizer.json`.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import OptimizationError
from pipeline.runtimes.base import serving_tokenizer

CHUNK = 16  # texts that are padded together
LONG = 1000  # words: longer than any text that is not cut
AWKWARD = (
    "", " ", ".", "\n", "a", "A a", "  two  spaces  ", "\ttab\r\nand lines\n\n", "MiXeD Case THROUGHOUT", "it's don't",
    "naïve café Ünïcode ß İ \u0131 ﬁ", "e\u0301 decomposed, \u00e9 composed", "½ ² ① \uff21\uff22\uff23",
    "日本語の文章と中文字符", "한국어 문장", "مرحبا بالعالم", "שלום עולם", "नमस्ते दुनिया", "สวัสดีชาวโลก", "Привет, мир",
    "👍🏽 👩\u200d👩\u200d👧 🇩🇪", "zero\u200bwidth\ufeff and\u00a0space", "\x00\x01\x07 control \x1b[0m\x7f",
    "soft\u00adhyphen \u2028line", "\u202eright to left\u202c", "\ufffd replacement",
    "[CLS] a [SEP] b [PAD] [UNK] [MASK]", "<s> a </s> b <pad> <unk> <mask>", "[cls] [sep] [ MASK ]",
    "<|endoftext|> [unused1]", "##piece ▁piece Ġpiece", "http://a.example/b?c=d&e=%20#f", "user@example.org @name #tag",
    "1234567890 3.14 1,000 $5 50%", "\\ / | ~ ^ ` ' \" « » “ ” … \u2013 —", "!" * 300,
    "pneumonoultramicroscopicsilicovolcanoconiosis" * 4, " ".join(f"word{number}" for number in range(LONG)),
    " ".join(["The end is not the beginning."] * LONG), "字" * LONG,
)  # fmt: skip


def write(tokenizer: Any, max_length: int, artifact: Path, texts: Sequence[str] = ()) -> None:
    """Write a transformers tokenizer into an artifact directory, then compare both on `texts` and on `AWKWARD`.

    Raises OptimizationError with the first text of which they make different tokens.
    """
    tokenizer.model_max_length = max_length
    backend = tokenizer.backend_tokenizer
    backend.enable_truncation(max_length, direction=tokenizer.truncation_side)
    backend.enable_padding(direction=tokenizer.padding_side, pad_id=tokenizer.pad_token_id, pad_token=tokenizer.pad_token)
    tokenizer.save_pretrained(artifact)
    _compare(tokenizer, max_length, artifact, [*texts, *AWKWARD])


def check(tokenizer: Any, max_length: int, texts: Sequence[str]) -> None:
    """Raises OptimizationError where `write` would, without leaving files: for use before a training."""
    before = tokenizer.model_max_length
    with tempfile.TemporaryDirectory() as folder:
        write(tokenizer, max_length, Path(folder), texts)
    tokenizer.model_max_length = before


def _compare(tokenizer: Any, max_length: int, artifact: Path, texts: Sequence[str]) -> None:
    """Compare what training, serving and whoever loads the artifact with transformers make of texts."""
    from transformers import AutoTokenizer

    served = serving_tokenizer(artifact, max_length, tokenizer.pad_token_id)
    loaded = AutoTokenizer.from_pretrained(artifact, trust_remote_code=False)
    for start in range(0, len(texts), CHUNK):
        chunk = list(texts[start : start + CHUNK])
        trained = _by_transformers(tokenizer, chunk, max_length)
        encodings = served.encode_batch_fast(chunk)
        ours = [encoding.ids for encoding in encodings], [encoding.attention_mask for encoding in encodings]
        _require_equal(chunk, trained, ours, "the artifact's tokenizer", tokenizer)
        _require_equal(
            chunk, trained, _by_transformers(loaded, chunk), "the tokenizer that transformers loads back", tokenizer
        )
        typed = [number for number, encoding in enumerate(encodings) if any(encoding.type_ids)]
        if typed:
            raise OptimizationError(
                f"the tokenizer gives token types other than 0 to {_shown(chunk[typed[0]])}; training passes none to the "
                "network, transformers would pass them; use another tokenizer"
            )


def _by_transformers(tokenizer: Any, texts: list[str], max_length: int | None = None) -> tuple[list[Any], list[Any]]:
    """Token ids and attention masks; without `max_length`, as long as the tokenizer itself says."""
    encoded = tokenizer(texts, truncation=True, padding=True, max_length=max_length)
    return encoded["input_ids"], encoded["attention_mask"]


def _require_equal(texts: list[str], expected: Any, found: Any, which: str, tokenizer: Any) -> None:
    for text, wanted, mask, ids, masked in zip(texts, *expected, *found, strict=True):
        if wanted != ids or mask != masked:
            kept = [[number for number, real in zip(*each, strict=True) if real] for each in ((wanted, mask), (ids, masked))]
            place = int(np.argmin([one == other for one, other in zip(*kept, strict=False)] + [False]))
            first, second = (tokenizer.convert_ids_to_tokens(each[place : place + 4]) for each in kept)
            raise OptimizationError(
                f"{which} makes other tokens of {_shown(text)} than the tokenizer of the training: from token {place} on "
                f"{second} instead of {first} ({len(kept[1])} instead of {len(kept[0])} tokens); use another tokenizer"
            )


def _shown(text: str) -> str:
    return ascii(text if len(text) <= 60 else f"{text[:60]}...")
