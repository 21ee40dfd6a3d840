"""Batches of a training: texts become token ids once, batches are padded to their longest text and have row numbers."""

from typing import Any

import numpy as np
import torch
from datasets import Dataset, disable_progress_bars, enable_progress_bars
from transformers import DataCollatorWithPadding

from pipeline.models.long_texts import LongTexts
from pipeline.tasks import SINGLE_LABEL, Task
from pipeline.tasks.base import LABEL
from pipeline.tasks.inputs import TEXT

LONG_WORK = 50_000  # texts; tokenizing more than this shows a progress bar


def tokenized(split: Dataset, tokenizer: Any, max_length: int) -> Dataset:
    """The columns input_ids, attention_mask, label, row and length, in tokens, of a split with text and label."""
    long_texts = LongTexts(tokenizer.backend_tokenizer, max_length)

    def encode(batch: dict[str, list[str]], rows: list[int]) -> dict[str, Any]:
        texts = long_texts.cut(batch[TEXT], tokenizer.truncation_side)
        encoded = tokenizer(texts, truncation=True, max_length=max_length)
        columns = {"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"]}
        return {**columns, "row": rows, "length": [len(ids) for ids in encoded["input_ids"]]}

    bars = enable_progress_bars if len(split) > LONG_WORK else disable_progress_bars
    bars()
    return split.map(
        encode, batched=True, with_indices=True, remove_columns=[TEXT], load_from_cache_file=False, desc="tokenizing"
    )


def sorted_by_length(split: Dataset) -> Dataset:
    """A tokenized split, its shortest texts first."""
    return split.select(np.argsort(split.with_format("numpy")["length"], kind="stable"))


class Collator:
    """Rows of a tokenized split -> one padded batch that includes the row numbers."""

    def __init__(self, tokenizer: Any, task: Task = SINGLE_LABEL, labels: int = 0) -> None:
        self._pad, self._task, self._labels = DataCollatorWithPadding(tokenizer), task, labels

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """The rows as tensors, padded to the longest."""
        needed = ("input_ids", "attention_mask", "row")
        batch = dict(self._pad([{key: row[key] for key in needed} for row in rows]))
        targets = self._task.targets([row[LABEL] for row in rows], self._labels)
        return batch | {"labels": torch.from_numpy(targets)}
