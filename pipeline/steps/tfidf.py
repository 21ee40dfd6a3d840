"""`tfidf`: word and character n-grams with logistic regression (scikit-learn): does this data need a transformer?

It has no backbone, needs no GPU and trains in about a minute.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from pipeline.config import CLASS_WEIGHTS, Step, kind, setting
from pipeline.errors import ConfigError
from pipeline.runtimes.base import Description
from pipeline.runtimes.crossfit import selection_optimism
from pipeline.runtimes.tfidf import FEATURES, MAX_CHARACTERS, PARTS, WEIGHTS, features
from pipeline.steps.base import Context, versions
from pipeline.tasks.base import Task, strata
from pipeline.tasks.inputs import Input, input_columns, inputs_of, texts_of

if TYPE_CHECKING:
    from datasets import Dataset

log = logging.getLogger(__name__)
MAX_WEIGHTS = 8_000_000  # features times labels: the solver (L-BFGS) keeps about 25 copies in float64, here 1.6 GB
MAX_TRAINING_CHARACTERS = 10_000_000  # of all training texts: about 4 n-grams each, of 12 bytes, and as much on the way
MAX_LOGITS = 10_000_000  # that are in memory at a time, float64
MAX_ANSWERS = 50_000_000  # training texts times labels: the solver keeps two or three such matrices in float64


@kind("step", "tfidf")
@dataclass(frozen=True)
class Tfidf(Step):
    """Settings of `conf/step/tfidf.yaml`."""

    features: int = setting(20000, min=1)
    strengths: list[float] = field(default_factory=lambda: [3.0, 10.0, 30.0])
    class_weights: str = setting("none", choices=CLASS_WEIGHTS)

    code_version: ClassVar[int] = 5
    gives: ClassVar[str] = "tfidf"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.strengths or min(self.strengths) <= 0:
            raise ConfigError(f"strengths={list(self.strengths)}: give one or more, all above 0")

    def inputs(self, context: Context) -> dict[str, Any]:
        """Data and versions."""
        return {
            "data": context.splits.content_hash,
            "oos": context.splits.oos,
            "versions": versions("numpy", "scikit-learn", "scipy"),
        }

    def features_for(self, labels: int, pairs: bool = False) -> int:
        """The number of features: with many labels fewer than set, so that the memory of the training has a bound.

        Each feature has as many weights as there are labels, and of pairs three times as many.
        """
        return min(self.features, max(1, MAX_WEIGHTS // (labels * (PARTS if pairs else 1))))

    def make(self, context: Context, artifact: Path, scratch: Path) -> dict[str, Any]:
        """Train with each strength and keep the best on validation; metrics: it, how much that flatters, features."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        from pipeline.system.progress import bar

        splits = context.splits
        most = self.features_for(len(splits.labels), splits.task.pairs)
        if most < self.features:
            log.warning("warning: with %d labels only the %d most frequent features are used, not %d, to bound the memory",
                        len(splits.labels), most, self.features)  # fmt: skip
        task, count = splits.task, len(splits.labels)
        some = self._that_fit(splits.train, task.truth(splits.train, count), count)
        vectorizer = TfidfVectorizer(analyzer=features, max_features=most, sublinear_tf=True)
        train = _fitted(inputs_of(some), vectorizer)
        validation = _features_of(inputs_of(splits.validation), vectorizer)
        labels, truth = (task.truth(split, count) for split in (some, splits.validation))
        tried, parts = [], []
        with bar("logistic regression", "strength", len(self.strengths)) as progress:
            for strength in self.strengths:
                tried.append(task.regression(train, labels, count, strength, self.class_weights == "balanced"))
                parts.append(parts_of(task, validation, *tried[-1], truth))
                value = 100 * float(task.score_of(parts[-1].mean(axis=0)))
                log.info("strength %g: validation %s %.1f %%", strength, task.best_by.replace("_", " "), value)
                progress.update()
        best = int(task.score_of(np.mean(parts, axis=1)).argmax())
        optimism = 100 * selection_optimism(np.array(parts), truth, task.score_of)
        _save(artifact, vectorizer, *tried[best])
        length = context.backbone.max_length
        Description("tfidf", list(splits.labels), length, splits.oos, task=task.name).write(artifact)
        metrics = {"tfidf/strength": float(self.strengths[best]), "tfidf/features": float(len(vectorizer.idf_))}
        return {"metrics": metrics | {"tfidf/selection_optimism_pp": optimism}}

    def _that_fit(self, train: "Dataset", truth: np.ndarray, count: int) -> "Dataset":
        """The training texts that there is memory for; what is cut or left out is told."""
        characters = text_lengths(train)
        longer = int(np.sum(characters > MAX_CHARACTERS))
        if longer:
            log.warning("warning: %d of %d training texts have more than %d characters and are cut there", longer,
                        characters.size, MAX_CHARACTERS)  # fmt: skip
        rows = rows_that_fit(np.minimum(characters, MAX_CHARACTERS).sum(axis=1), strata(truth), count)
        if len(rows) == len(train):
            return train
        log.warning("warning: tfidf learns from %d of %d training texts, drawn, to bound the memory", len(rows), len(train))
        return train.select(rows)


def _save(artifact: Path, vectorizer: Any, weights: np.ndarray, bias: np.ndarray) -> None:
    from safetensors.numpy import save_file

    names = json.dumps(vectorizer.get_feature_names_out().tolist(), ensure_ascii=False, separators=(",", ":"))
    (artifact / FEATURES).write_text(names, encoding="utf-8")
    idf = vectorizer.idf_.astype(np.float32)
    save_file({"weights": weights.astype(np.float16), "bias": bias.astype(np.float32), "idf": idf}, artifact / WEIGHTS)


def parts_of(task: Task, given: Any, weights: np.ndarray, bias: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """`Task.parts_of` the answers to features, sparse (n, features); a part of the texts at a time, to bound the memory."""
    size = max(1, MAX_LOGITS // len(bias))
    rows = [slice(start, start + size) for start in range(0, given.shape[0], size)]
    return np.concatenate([task.parts_of(task.answer(given[some] @ weights + bias), truth[some]) for some in rows])


def text_lengths(split: "Dataset") -> np.ndarray:
    """Characters of each text, int64 (n, 1), of pairs (n, 2)."""
    import pyarrow.compute as pc

    table, names = split.with_format("arrow")[:], input_columns(split.column_names)
    found: np.ndarray = np.stack([pc.utf8_length(table.column(name)).to_numpy().astype(np.int64) for name in names], axis=1)
    return found


def rows_that_fit(characters: np.ndarray, strata: np.ndarray, count: int) -> np.ndarray:
    """The training texts that there is memory for, in order: all of them, or as many as fit, drawn, some of each stratum.

    characters: of each text, int64 (n,); strata: its label or combination of labels, int64 (n,); count: the labels that
    there are. Returns rows, int64.
    """
    order = np.random.default_rng(0).permutation(len(strata))
    first = np.zeros(len(strata), dtype=bool)
    first[np.unique(strata[order], return_index=True)[1]] = True
    order = np.concatenate([order[first], order[~first]])
    fits = (np.cumsum(characters[order]) <= MAX_TRAINING_CHARACTERS) & (np.arange(len(order)) < MAX_ANSWERS // count)
    fits[: first.sum()] = True
    return np.sort(order[fits])


def _fitted(given: Sequence[Input], vectorizer: Any) -> Any:
    """Fit the features to the texts, and return those of the texts: see `_features_of`."""
    if all(isinstance(each, str) for each in given):
        return vectorizer.fit_transform(given)
    vectorizer.fit(texts_of(given))
    return _features_of(given, vectorizer)


def _features_of(given: Sequence[Input], vectorizer: Any) -> Any:
    """Features as a sparse matrix, (inputs, features); of pairs those of each text and what both share, side by side."""
    from scipy.sparse import hstack

    if all(isinstance(each, str) for each in given):
        return vectorizer.transform(given)
    first, second = (vectorizer.transform([pair[side] for pair in given]) for side in (0, 1))
    return hstack([first, second, first.minimum(second)], format="csr")
