"""Batches of a training: texts become token ids once, batches are padded to their longest text and have row numbers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset, disable_progress_bars, enable_progress_bars
from transformers import DataCollatorWithPadding

from pipeline.models.long_texts import LongTexts
from pipeline.models.token_types import ARGUMENT, NONE, SIDES, of_encodings
from pipeline.tasks import SINGLE_LABEL, Task
from pipeline.tasks.base import LABEL
from pipeline.tasks.inputs import Input, columns_of, input_columns, inputs_of

LONG_WORK = 50_000  # texts; tokenizing more than this shows a progress bar
IN_MEMORY = 20_000  # texts; the tokens of more than these are kept in a file


def tokenized(split: Dataset, tokenizer: Any, max_length: int, file: Path, token_types: str = NONE) -> Dataset:
    """The columns input_ids, attention_mask, label, row and length, in tokens, of a split with text and label.

    file: where the tokens of many texts are written, from which they are read; it is needed as long as the result.
    token_types: what `pipeline.models.token_types.kind_for` says; unless it is NONE, there is also a column token_type_ids.
    """
    long_texts, names = LongTexts(tokenizer.backend_tokenizer, max_length), input_columns(split.column_names)

    def encode(batch: dict[str, list[str]], rows: list[int]) -> dict[str, Any]:
        given = inputs_of({name: batch[name] for name in names})
        encoded = encode_with(tokenizer, long_texts.cut(given, tokenizer.truncation_side), max_length, token_types)
        return {**encoded, "row": rows, "length": [len(ids) for ids in encoded["input_ids"]]}

    bars = enable_progress_bars if len(split) > LONG_WORK else disable_progress_bars
    bars()
    place = str(file) if len(split) > IN_MEMORY else None
    return split.map(
        encode, batched=True, with_indices=True, remove_columns=list(names), load_from_cache_file=False,
        cache_file_name=place, desc="tokenizing",
    )  # fmt: skip


def encode_with(tokenizer: Any, given: Sequence[Input], max_length: int, token_types: str) -> dict[str, list[list[int]]]:
    """The inputs as the columns that a network takes, with a tokenizer of transformers; a pair is cut at its longer text."""
    encoded = tokenizer(
        *columns_of(given).values(), truncation="longest_first", max_length=max_length, return_token_type_ids=True
    )
    columns = {"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"]}
    if token_types == SIDES:
        return columns | {ARGUMENT: of_encodings(encoded.encodings, SIDES)}
    return columns if token_types == NONE else columns | {ARGUMENT: encoded[ARGUMENT]}


def sorted_by_length(split: Dataset) -> Dataset:
    """A tokenized split, its shortest texts first."""
    return split.select(np.argsort(split.with_format("numpy")["length"], kind="stable"))


class Collator:
    """Rows of a tokenized split -> one padded batch that includes the row numbers."""

    def __init__(self, tokenizer: Any, task: Task = SINGLE_LABEL, labels: int = 0) -> None:
        self._pad, self._task, self._labels = DataCollatorWithPadding(tokenizer), task, labels

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """The rows as tensors, padded to the longest."""
        needed = [key for key in ("input_ids", "attention_mask", ARGUMENT, "row") if key in rows[0]]
        batch = dict(self._pad([{key: row[key] for key in needed} for row in rows]))
        targets = self._task.targets([row[LABEL] for row in rows], self._labels)
        return batch | {"labels": torch.from_numpy(targets)}
