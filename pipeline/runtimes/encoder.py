"""Texts, or pairs of texts, become token ids, as serving does it: with the library `tokenizers` alone."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.models import token_types
from pipeline.models.long_texts import LongTexts
from pipeline.tasks.inputs import Input

TOKENIZER = "tokenizer.json"


class Encoder:
    """Texts or pairs of texts -> padded token ids. It only needs the `tokenizers` library."""

    def __init__(self, artifact: Path, max_length: int, pad_id: int, threads: int, third: str = token_types.NONE) -> None:
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false" if threads == 1 else "true")
        self._tokenizer = serving_tokenizer(artifact, max_length, pad_id)
        self._side = str(self._tokenizer.truncation["direction"]).lower()  # where texts are truncated
        self._long_texts = LongTexts(self._tokenizer, max_length)
        self._third = third

    def __call__(self, texts: Sequence[Input]) -> tuple[np.ndarray, ...]:
        """Token ids, attention mask and maybe token types, all int64 (len(texts), tokens of the longest text).

        Of a pair with too many tokens, those of its longer text are cut until both are equally long.
        """
        short = self._long_texts.cut(texts, self._side)
        encodings = self._tokenizer.encode_batch_fast(short)
        ids = np.array([encoding.ids for encoding in encodings], dtype=np.int64)
        mask = np.array([encoding.attention_mask for encoding in encodings], dtype=np.int64)
        if self._third == token_types.NONE:
            return ids, mask
        return ids, mask, np.array(token_types.of_encodings(encodings, self._third), dtype=np.int64)


def serving_tokenizer(artifact: Path, max_length: int, pad_id: int, overlap: int = 0) -> Any:
    """The tokenizer of an artifact directory. It cuts and pads texts on the sides that `tokenizer.json` says.

    overlap: tokens that what is cut off shares with what is kept.
    """
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(artifact / TOKENIZER))
    cut, padded = ((settings or {}).get("direction", "right") for settings in (tokenizer.truncation, tokenizer.padding))
    tokenizer.enable_truncation(max_length, stride=overlap, strategy="longest_first", direction=cut)
    tokenizer.enable_padding(direction=padded, pad_id=pad_id, pad_token=tokenizer.id_to_token(pad_id))
    return tokenizer
