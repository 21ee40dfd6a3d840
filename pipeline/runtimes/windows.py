"""Long texts as overlapping windows: each is answered like a text of its own, and their logits are joined to one answer.

It is put around a classifier of any runtime that has a tokenizer, where `classifier.json` says so. A text that fits into
one window is answered as without this.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.models.long_texts import LongTexts
from pipeline.models.text_length import MAX_WINDOWS
from pipeline.runtimes.base import BATCH_SIZE, Classifier, Description
from pipeline.runtimes.encoder import serving_tokenizer
from pipeline.tasks.inputs import Input

JOINS = {"mean": np.add, "max": np.maximum}


class WindowedClassifier(Classifier):
    """Answers the windows of a text with `one`, and joins the logits of each label: their mean or their maximum."""

    def __init__(self, one: Classifier, artifact: Path, description: Description) -> None:
        assert description.window is not None
        self.labels = one.labels
        self._one = one
        self._join = description.window
        self._tokenizer = serving_tokenizer(artifact, description.max_length, description.pad_id, description.window_overlap)
        self._side = str(self._tokenizer.truncation["direction"]).lower()
        self._long_texts = LongTexts(self._tokenizer, MAX_WINDOWS * description.max_length)

    def of_fold(self, fold: int | None) -> Classifier:
        """See `Classifier.of_fold`; what answers single windows depends on no fold."""
        return self

    def encode(self, texts: Sequence[Input]) -> tuple[Any, ...]:
        """Of all windows the token ids and their mask, int64 (windows, tokens), and the text that each is of, int64."""
        encodings = self._tokenizer.encode_batch_fast(self._long_texts.cut(texts, self._side))
        windows = [[each, *each.overflowing][:MAX_WINDOWS] for each in encodings]
        ids = np.array([window.ids for of_text in windows for window in of_text], dtype=np.int64)
        mask = np.array([window.attention_mask for of_text in windows for window in of_text], dtype=np.int64)
        return ids, mask, np.repeat(np.arange(len(texts)), [len(of_text) for of_text in windows])

    def forward(self, *encoded: Any) -> np.ndarray:
        """Joined logits for the result of `encode`: float32 (texts, labels).

        Without the last part, each row of token ids is a text, as for the classifier inside.
        """
        ids, mask, *owners = encoded
        size = BATCH_SIZE if self._one.batch_independent else self._one.batch_size
        parts = [self._one.forward(ids[i : i + size], mask[i : i + size]) for i in range(0, len(ids), size)]
        logits = np.concatenate(parts)
        if not owners or len(logits) == owners[0][-1] + 1:
            return logits
        starts = np.flatnonzero(np.diff(owners[0], prepend=-1))
        joined = JOINS[self._join].reduceat(logits, starts, axis=0)
        counts = np.diff(starts, append=len(logits))[:, None]
        result: np.ndarray = (joined / counts if self._join == "mean" else joined).astype(np.float32)
        return result
