"""Batches of a training: texts become token ids once, batches are padded to their longest text and have row numbers."""

from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, disable_progress_bars, enable_progress_bars
from transformers import DataCollatorWithPadding

from pipeline.models.long_texts import LongTexts
from pipeline.tasks.single_label import LABEL, TEXT

LONG_WORK = 50_000  # texts; tokenizing more than this shows a progress bar
IN_MEMORY = 20_000  # texts; the tokens of more than these are kept in a file


def tokenized(split: Dataset, tokenizer: Any, max_length: int, file: Path) -> Dataset:
    """The columns input_ids, attention_mask, label, row and length, in tokens, of a split with text and label.

    file: where the tokens of many texts are written, from which they are read; it is needed as long as the result.
    """
    long_texts = LongTexts(tokenizer.backend_tokenizer, max_length)

    def encode(batch: dict[str, list[str]], rows: list[int]) -> dict[str, Any]:
        texts = long_texts.cut(batch[TEXT], tokenizer.truncation_side)
        encoded = tokenizer(texts, truncation=True, max_length=max_length)
        columns = {"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"]}
        return {**columns, "row": rows, "length": [len(ids) for ids in encoded["input_ids"]]}

    bars = enable_progress_bars if len(split) > LONG_WORK else disable_progress_bars
    bars()
    place = str(file) if len(split) > IN_MEMORY else None
    return split.map(
        encode, batched=True, with_indices=True, remove_columns=[TEXT], load_from_cache_file=False, cache_file_name=place,
        desc="tokenizing",
    )  # fmt: skip


def sorted_by_length(split: Dataset) -> Dataset:
    """A tokenized split, its shortest texts first."""
    return split.select(np.argsort(split.with_format("numpy")["length"], kind="stable"))


class Collator:
    """Rows of a tokenized split -> one padded batch that includes the row numbers."""

    def __init__(self, tokenizer: Any) -> None:
        self._pad = DataCollatorWithPadding(tokenizer)

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """The rows as tensors, padded to the longest."""
        needed = ("input_ids", "attention_mask", LABEL, "row")
        return dict(self._pad([{key: row[key] for key in needed} for row in rows]))
