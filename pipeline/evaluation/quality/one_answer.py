"""Whether a classifier gives nearly all validation texts the same answer, which accuracy alone does not show."""

from collections.abc import Mapping

import numpy as np

from pipeline.evaluation.report import Predictions
from pipeline.tasks.base import strata

BOUND = 0.99  # share of the texts with the same answer
ANSWER, LABEL = "data/largest_answer_share", "data/largest_label_share"


def shares(validation: Predictions) -> dict[str, float]:
    """The shares of the most frequent answer and of the most frequent label, by MLflow name."""
    return {ANSWER: _largest(validation.predicted), LABEL: _largest(validation.truth)}


def line(metrics: Mapping[str, float]) -> str:
    """A sentence about a classifier with only one answer where the labels are not so; "" for any other."""
    answer, label = (metrics.get(name, 0.0) for name in (ANSWER, LABEL))
    if answer < BOUND or answer <= label or LABEL not in metrics:
        return ""
    return f"{answer:.1%} of the validation texts get the same answer, but only {label:.1%} have the most frequent label"


def _largest(numbers: np.ndarray) -> float:
    return float(np.bincount(strata(numbers)).max() / len(numbers))
