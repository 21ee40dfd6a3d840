"""`tfidf`: word and character n-grams with logistic regression (scikit-learn): does this data need a transformer?

It has no backbone, needs no GPU and trains in about a minute.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pipeline.config import CLASS_WEIGHTS, Step, kind, setting
from pipeline.errors import ConfigError
from pipeline.runtimes.base import Description
from pipeline.runtimes.crossfit import selection_optimism
from pipeline.runtimes.tfidf import FEATURES, MAX_CHARACTERS, PARTS, WEIGHTS, features
from pipeline.steps.base import Context, versions
from pipeline.tasks.inputs import Input, inputs_of, texts_of

log = logging.getLogger(__name__)
MAX_WEIGHTS = 8_000_000  # features times labels: the solver (L-BFGS) keeps about 25 copies in float64, here 1.6 GB


@kind("step", "tfidf")
@dataclass(frozen=True)
class Tfidf(Step):
    """Settings of `conf/step/tfidf.yaml`."""

    features: int = setting(20000, min=1)
    strengths: list[float] = field(default_factory=lambda: [3.0, 10.0, 30.0])
    class_weights: str = setting("none", choices=CLASS_WEIGHTS)

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

    def features_for(self, labels: int, pairs: bool = False) -> int:
        """The number of features: with many labels fewer than set, so that the memory of the training has a bound.

        Each feature has as many weights as there are labels, and of pairs three times as many.
        """
        return min(self.features, max(1, MAX_WEIGHTS // (labels * (PARTS if pairs else 1))))

    def make(self, context: Context, artifact: Path, scratch: Path) -> dict[str, Any]:
        """Train with each strength and keep the best on validation; metrics: it, how much that flatters, features."""
        from safetensors.numpy import save_file
        from sklearn.feature_extraction.text import TfidfVectorizer

        from pipeline.system.progress import bar

        splits = context.splits
        most = self.features_for(len(splits.labels), splits.task.pairs)
        if most < self.features:
            log.warning("warning: with %d labels only the %d most frequent features are used, not %d, to bound the memory",
                        len(splits.labels), most, self.features)  # fmt: skip
        texts = texts_of(inputs_of(splits.train))
        longer = sum(len(text) > MAX_CHARACTERS for text in texts)
        if longer:
            log.warning("warning: %d of %d training texts have more than %d characters and are cut there", longer,
                        len(texts), MAX_CHARACTERS)  # fmt: skip
        vectorizer = TfidfVectorizer(analyzer=features, max_features=most, sublinear_tf=True).fit(texts)
        train, validation = (_features_of(inputs_of(split), vectorizer) for split in (splits.train, splits.validation))
        task, count = splits.task, len(splits.labels)
        labels, truth = (task.truth(split, count) for split in (splits.train, splits.validation))
        tried, parts = [], []
        with bar("logistic regression", "strength", len(self.strengths)) as progress:
            for strength in self.strengths:
                tried.append(task.regression(train, labels, count, strength, self.class_weights == "balanced"))
                parts.append(task.parts_of(task.answer(validation @ tried[-1][0] + tried[-1][1]), truth))
                value = 100 * float(task.score_of(parts[-1].mean(axis=0)))
                log.info("strength %g: validation %s %.1f %%", strength, task.best_by.replace("_", " "), value)
                progress.update()
        best = int(task.score_of(np.mean(parts, axis=1)).argmax())
        optimism = 100 * selection_optimism(np.array(parts), truth, task.score_of)
        names = vectorizer.get_feature_names_out().tolist()
        (artifact / FEATURES).write_text(json.dumps(names, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
        weights, bias = tried[best]
        stored: dict[str, np.ndarray] = {
            "weights": weights.astype(np.float16),
            "bias": bias.astype(np.float32),
            "idf": vectorizer.idf_.astype(np.float32),
        }
        save_file(stored, artifact / WEIGHTS)
        length = context.backbone.max_length
        Description("tfidf", list(splits.labels), length, splits.oos, task=task.name).write(artifact)
        metrics = {"tfidf/strength": float(self.strengths[best]), "tfidf/features": float(len(names))}
        return {"metrics": metrics | {"tfidf/selection_optimism_pp": optimism}}


def _features_of(given: Sequence[Input], vectorizer: Any) -> Any:
    """Features as a sparse matrix, (inputs, features); of pairs those of each text and what both share, side by side."""
    from scipy.sparse import hstack

    if all(isinstance(each, str) for each in given):
        return vectorizer.transform(given)
    first, second = (vectorizer.transform([pair[side] for pair in given]) for side in (0, 1))
    return hstack([first, second, first.minimum(second)], format="csr")
