"""`tfidf`: word and character n-grams with logistic regression (scikit-learn): does this data need a transformer?

It has no backbone, needs no GPU and trains in about a minute.
"""

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pipeline.config import CLASS_WEIGHTS, Step, kind, setting
from pipeline.errors import ConfigError
from pipeline.runtimes.base import Description
from pipeline.runtimes.crossfit import selection_optimism
from pipeline.steps.base import Context, versions
from pipeline.tasks.single_label import LABEL, TEXT

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
        longer = sum(len(text) > MAX_CHARACTERS for text in splits.train[TEXT])
        if longer:
            log.warning("warning: %d of %d training texts have more than %d characters and are cut there", longer,
                        len(splits.train), MAX_CHARACTERS)  # fmt: skip
        vectorizer = TfidfVectorizer(analyzer=features, max_features=most, sublinear_tf=True)
        train = vectorizer.fit_transform(splits.train[TEXT])
        validation, truth = vectorizer.transform(splits.validation[TEXT]), np.array(splits.validation[LABEL])
        tried, right, weights = [], [], None if self.class_weights == "none" else self.class_weights
        with bar("logistic regression", "strength", len(self.strengths)) as progress:
            for strength in self.strengths:
                found = LogisticRegression(C=strength, max_iter=1000, class_weight=weights).fit(train, splits.train[LABEL])
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
