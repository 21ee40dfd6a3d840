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
from pipeline.models.token_types import ARGUMENT
from pipeline.runtimes.encoder import serving_tokenizer
from pipeline.tasks import inputs
from pipeline.tasks.inputs import Input, columns_of

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


def write(tokenizer: Any, max_length: int, artifact: Path, texts: Sequence[Input] = (), pairs: bool = False) -> None:
    """Write a transformers tokenizer into an artifact directory, then compare both on `texts` and on `AWKWARD`.

    pairs: whether the inputs are pairs of texts. Raises OptimizationError with the first input of which they make different
    tokens or token types.
    """
    tokenizer.model_max_length = max_length
    backend = tokenizer.backend_tokenizer
    backend.enable_truncation(max_length, direction=tokenizer.truncation_side)
    backend.enable_padding(direction=tokenizer.padding_side, pad_id=tokenizer.pad_token_id, pad_token=tokenizer.pad_token)
    tokenizer.save_pretrained(artifact)
    awkward = list(zip(AWKWARD, reversed(AWKWARD), strict=True)) if pairs else AWKWARD
    _compare(tokenizer, max_length, artifact, [*texts, *awkward])


def check(tokenizer: Any, max_length: int, texts: Sequence[Input], pairs: bool = False) -> None:
    """Raises OptimizationError where `write` would, without leaving files: for use before a training."""
    before = tokenizer.model_max_length
    with tempfile.TemporaryDirectory() as folder:
        write(tokenizer, max_length, Path(folder), texts, pairs)
    tokenizer.model_max_length = before


def _compare(tokenizer: Any, max_length: int, artifact: Path, texts: Sequence[Input]) -> None:
    """Compare what training, serving and whoever loads the artifact with transformers make of texts."""
    from transformers import AutoTokenizer

    served = serving_tokenizer(artifact, max_length, tokenizer.pad_token_id)
    loaded = AutoTokenizer.from_pretrained(artifact, trust_remote_code=False)
    if len({ARGUMENT in each.model_input_names for each in (tokenizer, loaded)}) > 1:
        raise OptimizationError(
            "the tokenizer that transformers loads back passes other inputs than that of the training: only one of them "
            f"has {ARGUMENT}; use another tokenizer"
        )
    for start in range(0, len(texts), CHUNK):
        chunk = list(texts[start : start + CHUNK])
        trained = _by_transformers(tokenizer, chunk, max_length)
        encodings = served.encode_batch_fast(chunk)
        types = [encoding.type_ids for encoding in encodings]
        ours = [encoding.ids for encoding in encodings], [encoding.attention_mask for encoding in encodings], types
        _require_equal(chunk, trained, ours, "the artifact's tokenizer", tokenizer)
        _require_equal(
            chunk, trained, _by_transformers(loaded, chunk), "the tokenizer that transformers loads back", tokenizer
        )
        typed = [number for number, text in enumerate(chunk) if isinstance(text, str) and any(types[number])]
        if typed:
            raise OptimizationError(
                f"the tokenizer gives token types other than 0 to {_shown(chunk[typed[0]])}; training passes none to the "
                "network, transformers would pass them; use another tokenizer"
            )


def _by_transformers(tokenizer: Any, texts: Sequence[Input], max_length: int | None = None) -> tuple[Any, Any, Any]:
    """Token ids, attention masks and token types; without `max_length`, as long as the tokenizer itself says."""
    columns = columns_of(texts).values()
    encoded = tokenizer(*columns, truncation=True, padding=True, max_length=max_length, return_token_type_ids=True)
    return encoded["input_ids"], encoded["attention_mask"], encoded["token_type_ids"]


def _require_equal(texts: Sequence[Input], expected: Any, found: Any, which: str, tokenizer: Any) -> None:
    for text, wanted, mask, types, ids, masked, typed in zip(texts, *expected, *found, strict=True):
        told = [[kind for kind, real in zip(each, mask, strict=True) if real] for each in (types, typed)]
        if wanted == ids and mask == masked and not isinstance(text, str) and told[0] != told[1]:
            raise OptimizationError(
                f"{which} gives other token types to {_shown(text)} than the tokenizer of the training; use another one"
            )
        if wanted != ids or mask != masked:
            kept = [[number for number, real in zip(*each, strict=True) if real] for each in ((wanted, mask), (ids, masked))]
            place = int(np.argmin([one == other for one, other in zip(*kept, strict=False)] + [False]))
            first, second = (tokenizer.convert_ids_to_tokens(each[place : place + 4]) for each in kept)
            raise OptimizationError(
                f"{which} makes other tokens of {_shown(text)} than the tokenizer of the training: from token {place} on "
                f"{second} instead of {first} ({len(kept[1])} instead of {len(kept[0])} tokens); use another tokenizer"
            )


def _shown(given: Input) -> str:
    text = inputs.shown(given)
    return ascii(text if len(text) <= 60 else f"{text[:60]}...")
