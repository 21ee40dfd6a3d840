"""Runtime "cascade": a cheap classifier answers when it is confident, otherwise a better one answers.

The artifact holds two artifact directories, `cheap` and `better`, each with its own decision rule. `cascade.json` has the
confidence that the cheap one's answer must reach, and this threshold fitted without each fold of the validation split. Texts
that the cheap one takes as out of scope always go to the better one. `forward` returns neither classifier's logits. It
returns the log-probabilities of the classifier that answered, under its decision rule: the largest is the answer, and
softmax gives its score.
"""

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.runtimes.base import DESCRIPTION, Classifier, Description, Runtime, checked_open, load, runtime_of
from pipeline.tasks.base import DecisionRule
from pipeline.tasks.inputs import Input

FILE, CHEAP, BETTER = "cascade.json", "cheap", "better"
MIN_PROBABILITY = 1e-6  # of a label


class CascadeClassifier(Classifier):
    """Two classifiers as one. Every text is encoded for the cheap one, and only the unsure ones for the better one."""

    def __init__(self, artifact: Path, description: Description, threads: int) -> None:
        self.labels = description.labels
        fitted = json.loads((artifact / FILE).read_text(encoding="utf-8"))
        self._threshold, self._fold_thresholds = float(fitted["threshold"]), fitted.get("fold_thresholds", [])
        self._parts = [load(artifact / name, threads) for name in (CHEAP, BETTER)]
        self._descriptions = [Description.read(artifact / name) for name in (CHEAP, BETTER)]
        self._rules = [part.rule for part in self._descriptions]

    def of_fold(self, fold: int | None) -> Classifier:
        """The cascade whose threshold, and both parts' rules, were fitted without a fold of the validation split."""
        other = copy.copy(self)
        if fold is not None:
            other._threshold = float(self._fold_thresholds[fold])
            other._parts = [part.of_fold(fold) for part in self._parts]
            other._rules = [part.rule_of(fold) for part in self._descriptions]
        return other

    def encode(self, texts: Sequence[Input]) -> tuple[Any, ...]:
        """The inputs of the cheap classifier, and the texts."""
        return (*self._parts[0].encode(texts), list(texts))

    def forward(self, *encoded: Any) -> np.ndarray:
        """Log-probabilities for the result of `encode`: float32 (texts, labels)."""
        *inputs, texts = encoded
        logits = self._parts[0].forward(*inputs)
        result = log_probabilities(logits, self._rules[0])
        unsure = np.flatnonzero(confidence(logits, self._rules[0]) < self._threshold)
        if len(unsure):
            result[unsure] = log_probabilities(self._parts[1].logits([texts[row] for row in unsure]), self._rules[1])
        return result


def confidence(logits: np.ndarray, rule: DecisionRule) -> np.ndarray:
    """The scores of the cheap classifier's answers, float64 (n,); 0 where it takes a text as out of scope."""
    labels, scores, _ = rule.answer(logits)
    sure: np.ndarray = scores if rule.oos is None else np.where(labels == rule.oos, 0.0, scores)
    return sure


def log_probabilities(logits: np.ndarray, rule: DecisionRule) -> np.ndarray:
    """Log-probabilities, float32 (n, labels): the largest is the rule's answer, and its probability is the rule's score.

    The other labels share the remaining probability in proportion to their softmax. The answer always stays the largest.
    """
    labels, scores, _ = rule.answer(logits)
    rows = np.arange(len(logits))
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    others = np.exp(shifted / rule.temperature)
    others[rows, labels] = 0
    others *= ((1 - scores) / np.maximum(others.sum(axis=1), 1e-300))[:, None]
    share = np.maximum(scores, others.max(axis=1) * (1 + 1e-6) + MIN_PROBABILITY)
    others[rows, labels] = share
    shares = np.maximum(others / others.sum(axis=1, keepdims=True), MIN_PROBABILITY * 1e-6)
    log_shares: np.ndarray = np.log(shares).astype(np.float32)
    return log_shares


class CascadeRuntime(Runtime):
    """See `pipeline.runtimes.base.Runtime`. Every declaration combines those of the two parts."""

    name = "cascade"
    requires = ("numpy",)
    weights = ()
    no_profile_reason = "A cascade is two classifiers: examine the optimization of each."

    def open(self, artifact: Path, description: Description, threads: int) -> CascadeClassifier:
        """Load it. Raises OSError when a file is missing, ValueError when one is damaged or of another kind."""
        files = [FILE, *(f"{name}/{DESCRIPTION}" for name in (CHEAP, BETTER))]
        return checked_open(artifact, files, lambda: CascadeClassifier(artifact, description, threads))

    def packages(self, artifact: Path) -> tuple[str, ...]:
        """The packages of both parts."""
        return tuple(dict.fromkeys(name for part, runtime in _parts(artifact) for name in runtime.packages(part)))

    def weight_files(self, artifact: Path) -> list[Path]:
        """The weight files of both parts."""
        return [file for part, runtime in _parts(artifact) for file in runtime.weight_files(part)]

    def batch_independent(self, artifact: Path) -> bool:
        """Whether both parts are."""
        return all(runtime.batch_independent(part) for part, runtime in _parts(artifact))

    def processor_features(self, artifact: Path) -> frozenset[str]:
        """The features of both parts."""
        return frozenset().union(*(runtime.processor_features(part) for part, runtime in _parts(artifact)))


def _parts(artifact: Path) -> list[tuple[Path, Runtime]]:
    return [(artifact / name, runtime_of(artifact / name)) for name in (CHEAP, BETTER)]


RUNTIME = CascadeRuntime()
