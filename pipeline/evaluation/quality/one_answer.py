"""Whether a classifier gives nearly all texts the same answer, which accuracy alone does not show."""

import numpy as np

from pipeline.evaluation.report import Predictions

BOUND = 0.99  # share of the texts with the same answer


def largest_answer_share(predictions: Predictions) -> float:
    """The share of the texts that get the most frequent answer."""
    return float(np.bincount(predictions.predicted).max() / len(predictions.predicted))


def one_answer_message(predictions: Predictions) -> str:
    """A sentence about a classifier with only one answer where the truth has several; "" for any other."""
    share, classes = largest_answer_share(predictions), len(np.unique(predictions.truth))
    if share < BOUND or classes < 2 or share <= np.bincount(predictions.truth).max() / len(predictions.truth):
        return ""
    label = predictions.labels[int(np.bincount(predictions.predicted).argmax())]
    right = float(np.mean(predictions.right))
    return (
        f"{share:.1%} of the texts get the answer {label!r}, though they have {classes} classes; {right:.1%} of the answers "
        "are right, about the share of that class"
    )
