"""`tfidf`: word and character n-grams with logistic regression (scikit-learn): does this data need a transformer?

It has no backbone, needs no GPU and trains in about a minute.
"""

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from pipeline.config import Step, kind, setting
from pipeline.errors import ConfigError
from pipeline.runtimes.base import Description
from pipeline.runtimes.crossfit import selection_optimism
from pipeline.steps.base import Context, versions
from pipeline.tasks.single_label import LABEL, TEXT

if TYPE_CHECKING:
    from datasets import Dataset

log = logging.getLogger(__name__)
MAX_WEIGHTS = 8_000_000  # features times labels: the solver (L-BFGS) keeps about 25 copies in float64, here 1.6 GB
MAX_TRAINING_CHARACTERS = 10_000_000  # of all training texts: about 4 n-grams each, of 12 bytes, and as much on the way
MAX_ANSWERS = 50_000_000  # training texts times labels: the solver keeps two or three such matrices in float64


@kind("step", "tfidf")
@dataclass(frozen=True)
class Tfidf(Step):
    """Settings of `conf/step/tfidf.yaml`."""

    features: int = setting(20000, min=1)
    strengths: list[float] = field(default_factory=lambda: [3.0, 10.0, 30.0])

    code_version: ClassVar[int] = 4
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

    def features_for(self, labels: int) -> int:
        """The number of features: with many labels fewer than set, so that the memory of the training has a bound."""
        return min(self.features, max(1, MAX_WEIGHTS // labels))

    def make(self, context: Context, artifact: Path, scratch: Path) -> dict[str, Any]:
        """Train with each strength and keep the best on validation; metrics: it, how much that flatters, features."""
        from safetensors.numpy import save_file
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression

        from pipeline.runtimes.tfidf import FEATURES, MAX_CHARACTERS, WEIGHTS, features
        from pipeline.system.progress import bar

        splits = context.splits
        most = self.features_for(len(splits.labels))
        if most < self.features:
            log.warning("warning: with %d labels only the %d most frequent features are used, not %d, to bound the memory",
                        len(splits.labels), most, self.features)  # fmt: skip
        characters = text_lengths(splits.train)
        longer = int(np.sum(characters > MAX_CHARACTERS))
        if longer:
            log.warning("warning: %d of %d training texts have more than %d characters and are cut there", longer,
                        len(splits.train), MAX_CHARACTERS)  # fmt: skip
        rows = rows_that_fit(np.minimum(characters, MAX_CHARACTERS), np.array(splits.train[LABEL]), len(splits.labels))
        some = splits.train if len(rows) == len(splits.train) else splits.train.select(rows)
        if len(rows) < len(splits.train):
            log.warning("warning: tfidf learns from %d of %d training texts, drawn, to bound the memory", len(rows),
                        len(splits.train))  # fmt: skip
        vectorizer = TfidfVectorizer(analyzer=features, max_features=most, sublinear_tf=True)
        train = vectorizer.fit_transform(some[TEXT])
        validation, truth = vectorizer.transform(splits.validation[TEXT]), np.array(splits.validation[LABEL])
        tried, right = [], []
        with bar("logistic regression", "strength", len(self.strengths)) as progress:
            for strength in self.strengths:
                found = LogisticRegression(C=strength, max_iter=1000).fit(train, some[LABEL])
                tried.append(found)
                right.append(found.predict(validation) == truth)
                log.info("strength %g: validation accuracy %.1f %%", strength, 100 * right[-1].mean())
                progress.update()
        best = tried[int(np.mean(right, axis=1).argmax())]
        optimism = 100 * selection_optimism(np.array(right), truth)
        names = vectorizer.get_feature_names_out().tolist()
        (artifact / FEATURES).write_text(json.dumps(names, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
        save_file(_all_labels(best, vectorizer.idf_, len(splits.labels)), artifact / WEIGHTS)
        Description("tfidf", list(splits.labels), context.backbone.max_length, splits.oos).write(artifact)
        metrics = {"tfidf/strength": float(best.C), "tfidf/features": float(len(names))}
        return {"metrics": metrics | {"tfidf/selection_optimism_pp": optimism}}


def text_lengths(split: "Dataset") -> np.ndarray:
    """Characters of each text: int64 (n,)."""
    import pyarrow.compute as pc

    found: np.ndarray = pc.utf8_length(split.with_format("arrow")[:].column(TEXT)).to_numpy().astype(np.int64)
    return found


def rows_that_fit(characters: np.ndarray, labels: np.ndarray, count: int) -> np.ndarray:
    """The training texts that there is memory for, in order: all of them, or as many as fit, drawn, some of each label.

    characters: of each text, int64 (n,); labels: int64 (n,), of `count` labels. Returns rows, int64.
    """
    order = np.random.default_rng(0).permutation(len(labels))
    first = np.zeros(len(labels), dtype=bool)
    first[np.unique(labels[order], return_index=True)[1]] = True
    order = np.concatenate([order[first], order[~first]])
    fits = (np.cumsum(characters[order]) <= MAX_TRAINING_CHARACTERS) & (np.arange(len(order)) < MAX_ANSWERS // count)
    fits[: first.sum()] = True
    return np.sort(order[fits])


def _all_labels(found: Any, idf: np.ndarray, count: int) -> dict[str, np.ndarray]:
    """Weights (features, labels) and biases; scikit-learn has only one row for two classes."""
    weights, bias = found.coef_, found.intercept_
    if count == 2:
        weights, bias = np.concatenate([-weights / 2, weights / 2]), np.concatenate([-bias / 2, bias / 2])
    return {
        "weights": np.ascontiguousarray(weights.T).astype(np.float16),
        "bias": bias.astype(np.float32),
        "idf": idf.astype(np.float32),
    }
