"""Texts, or pairs of texts -> answers, with an artifact directory; the command predict and MLflow's model use it.

The answer to a text does not depend on the other texts of the call, except in int8 that was made for batches.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigError
from pipeline.runtimes.base import BATCH_SIZE, Description, load
from pipeline.tasks.inputs import Input

Answer = Any  # a named tuple, by the task of the classifier: `OneLabel` or `SeveralLabels`


class Answerer:
    """A loaded classifier with its decision rule."""

    def __init__(self, artifact: Path, threads: int = 1, batch_size: int = BATCH_SIZE) -> None:
        """Raises OSError, ValueError or an error of the runtime if the directory is not a complete artifact."""
        self._description = Description.read(artifact)
        self._rule = self._description.rule
        self._classifier = load(artifact, threads)
        self._batch_size = batch_size
        self.fields = self._description.kind.fields
        self.pairs = self._description.kind.pairs  # whether its inputs are pairs of texts

    def __call__(self, texts: Sequence[Input]) -> list[Answer]:
        """One answer per text, or pair of texts, in the same order. Raises ConfigError for inputs of the other kind."""
        if not texts:
            return []
        if any(isinstance(text, str) == self.pairs for text in texts):
            raise ConfigError(f"this classifier takes {'pairs of texts, not texts' if self.pairs else 'texts, not pairs'}")
        answers = self._rule.answer(self._classifier.logits_by_length(texts, self._batch_size))
        return self._description.kind.served(answers, self._description.labels, self._description.oos)
