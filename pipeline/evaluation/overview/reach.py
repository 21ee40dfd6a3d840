"""What is reached in seconds: by always giving the most frequent answer, and by tf-idf with logistic regression.

Both learn from a sample of train and are judged on validation; the test split is not looked at.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.data.splits import Splits
from pipeline.evaluation.overview import columns
from pipeline.evaluation.overview.words import Word, split_signs, words_of

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import CountVectorizer

MAX_TEXTS, MAX_ANSWERS = 10_000, 3_000_000  # of train; texts x labels, so that many labels take fewer texts
MAX_VALIDATION = 5_000  # texts
MAX_CHARACTERS = 2_000  # of a text
MAX_WEIGHTS = 1_000_000  # words x labels
ITERATIONS, STRENGTH = 60, 10.0


@dataclass(frozen=True)
class Reached:
    """Accuracy (the whole set of labels right, where there are several) and macro F1 on validation, 0 to 1."""

    trained_on: int  # texts of train
    judged_on: int  # texts of validation
    majority_accuracy: float
    majority_f1_macro: float
    tfidf_accuracy: float
    tfidf_f1_macro: float


def reach(splits: Splits, seed: int) -> tuple[Reached, dict[str, list[Word]]]:
    """Count words in a sample, train on it and judge; also the words that speak for each label (see `words`)."""
    from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

    labels = len(splits.labels)
    rows = columns.drawn(splits.train, min(MAX_TEXTS, max(1, MAX_ANSWERS // labels)), seed)
    judged = columns.drawn(splits.validation, MAX_VALIDATION, seed)
    train, validation = (
        columns.some(split, some, MAX_CHARACTERS) for split, some in ((splits.train, rows), (splits.validation, judged))
    )
    members, truth = columns.membership(splits.train, labels, rows), columns.membership(splits.validation, labels, judged)
    counter = CountVectorizer(analyzer=split_signs, max_features=max(100, MAX_WEIGHTS // labels))
    counts = counter.fit_transform(train)
    weights = TfidfTransformer(sublinear_tf=True)
    answers = _answers(weights.fit_transform(counts), members, weights.transform(counter.transform(validation)))
    always = np.repeat(_most_frequent(members)[None], len(judged), axis=0)
    wanted = truth.toarray().astype(bool)
    reached = Reached(len(rows), len(judged), *_judge(wanted, always), *_judge(wanted, answers))
    return reached, words_of((counts > 0).astype(np.float32), _names(counter), members, splits.labels)


def _names(counter: "CountVectorizer") -> Sequence[str]:
    names: list[str] = counter.get_feature_names_out().tolist()
    return names


def _answers(train: Any, members: Any, validation: Any) -> np.ndarray:
    """Bool (validation texts, labels). One label a text: the best of all; else each label by itself."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    model = LogisticRegression(C=STRENGTH, max_iter=ITERATIONS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a few steps are enough for a look
        warnings.simplefilter("ignore", UserWarning)  # a label that no text of the sample has
        if np.all(np.diff(members.indptr) == 1):
            found = np.zeros((validation.shape[0], members.shape[1]), dtype=bool)
            if len(np.unique(members.indices)) == 1:
                answers = np.full(len(found), members.indices[0])
            else:
                answers = model.fit(train, members.indices).predict(validation)
            found[np.arange(len(found)), answers] = True
            return found
        each = OneVsRestClassifier(model).fit(train, members.toarray().astype(np.int8))
        return np.asarray(each.predict(validation)).astype(bool)


def _most_frequent(members: Any) -> np.ndarray:
    """The most frequent set of labels: bool (labels,)."""
    sets, counts = np.unique(members.toarray().astype(bool), axis=0, return_counts=True)
    found: np.ndarray = sets[counts.argmax()]
    return found


def _judge(truth: np.ndarray, answers: np.ndarray) -> tuple[float, float]:
    """Accuracy and macro F1 over the labels that occur, both bool (texts, labels)."""
    hits, given, wanted = (each.sum(axis=0) for each in (truth & answers, answers, truth))
    f1 = 2 * hits / np.maximum(given + wanted, 1)
    return float((truth == answers).all(axis=1).mean()), float(f1[given + wanted > 0].mean())
