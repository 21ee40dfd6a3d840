"""Any number of labels a text, none included: a sigmoid a label, thresholds, micro and macro F1."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from pipeline.tasks import label_metrics
from pipeline.tasks.base import LABEL, Answers, DecisionRule, LabelChanges, RuleFitting, Task, WrongQueries
from pipeline.tasks.thresholds import Thresholds

MAX_WEIGHT = 20.0  # a rare label with a larger one would move the network by single texts
MOST = 255  # labels of a text that are counted for the choice of an epoch: one byte each


class SeveralLabels(NamedTuple):
    """The answer to one text: the most probable label first."""

    labels: list[str]
    scores: list[float]  # 0 to 1, the probability of each


@dataclass(frozen=True)
class MultiLabel(Task):
    """See `Task`."""

    outcome: ClassVar[str] = "multi_label"
    problem_type: ClassVar[str] = "multi_label_classification"
    best_by: ClassVar[str] = "f1_micro"
    scores: ClassVar[tuple[str, ...]] = ("f1_micro", "f1_macro", "f1_samples", "accuracy")
    of_scores: ClassVar[tuple[str, ...]] = ("average_precision",)
    balanced_by: ClassVar[str] = "pos_weight"
    unlabelled: ClassVar[Any] = None
    fields: ClassVar[tuple[str, ...]] = SeveralLabels._fields
    form: ClassVar[str] = "labels"
    number_of: ClassVar[str] = "any number of"
    headlines: ClassVar[Mapping[str, str]] = {
        "f1_micro": "micro F1", "f1_macro": "macro F1", "accuracy": "accuracy (all labels of a text right)",
    }  # fmt: skip
    transformers_arguments: ClassVar[str] = ", top_k=None"

    def feature(self, labels: Sequence[str]) -> Any:
        """A list of indices, which has the labels' names."""
        from datasets import ClassLabel, List

        return List(ClassLabel(names=list(labels)))

    def truth(self, split: Any, labels: int) -> np.ndarray:
        """See `Task.truth`."""
        return _indicators(split[LABEL], labels)

    def targets(self, column: Sequence[Any], labels: int) -> np.ndarray:
        """1 for the labels of a text, NaN for a text whose labels are unknown."""
        found = _indicators([own or () for own in column], labels).astype(np.float32)
        found[[own is None for own in column]] = np.nan
        return found

    def losses(self, logits: Any, targets: Any, weights: Any = None, label_smoothing: float = 0.0) -> Any:
        """See `losses.binary_cross_entropies`; there is no label smoothing."""
        from pipeline.tasks.losses import binary_cross_entropies

        return binary_cross_entropies(logits, targets, weights)

    def balanced_weights(self, truth: np.ndarray, labels: int) -> np.ndarray:
        """Of the texts that have a label: texts without it / texts with it, at most MAX_WEIGHT."""
        texts = truth.sum(axis=0)
        weights: np.ndarray = np.minimum((len(truth) - texts) / np.maximum(texts, 1), MAX_WEIGHT).astype(np.float32)
        return weights

    def head_biases(self, truth: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
        """The log-odds of each label, plus the logarithm of its weight (Lin et al. 2017, section 3.3).

        With biases of 0 a training first spends hundreds of steps on learning that most labels are rare.
        """
        texts = truth.sum(axis=0) + 1.0  # one more with and one without it: no label is never or always there
        odds = texts / (len(truth) + 2 - texts)
        biases: np.ndarray = np.log(odds if weights is None else odds * weights).astype(np.float32)
        return biases

    def distillation_loss(
        self, student: Any, teacher: Any, targets: Any, alpha: float, temperature: float, weights: Any = None
    ) -> Any:
        """See `losses.sigmoid_distillation`."""
        from pipeline.tasks.losses import sigmoid_distillation

        return sigmoid_distillation(student, teacher, targets, alpha, temperature, weights)

    def regression(
        self, features: Any, truth: np.ndarray, labels: int, strength: float, balanced: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `regression.of_several_labels`."""
        from pipeline.tasks.regression import of_several_labels

        return of_several_labels(features, truth, strength, balanced)

    def score(self, metric: str, predicted: np.ndarray, truth: np.ndarray) -> float:
        """See `label_metrics.weighted`."""
        once = np.ones((1, len(truth)), dtype=np.float32)
        return float(label_metrics.weighted(once, predicted, truth)[metric][0])

    def parts_of(self, predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """Right labels, and answered labels plus true ones."""
        counts: np.ndarray = np.minimum(label_metrics.counts_of_texts(predicted, truth), MOST).astype(np.uint8)
        return counts

    def score_of(self, mean: np.ndarray) -> np.ndarray:
        """Micro F1."""
        return label_metrics.f1_of_counts(mean)

    def answer(self, logits: np.ndarray) -> np.ndarray:
        """The labels with a probability of at least 0.5."""
        answers: np.ndarray = logits >= 0
        return answers

    def margins(self, expected: np.ndarray, found: np.ndarray) -> np.ndarray:
        """The largest distance from 0 of a logit that has the other sign."""
        differs = self.answer(expected) != self.answer(found)
        margins: np.ndarray = np.where(differs, np.abs(expected), 0.0).max(axis=1)
        return margins

    def rule(self, described: Mapping[str, Any] | None, oos: int | None) -> Thresholds:
        """See `thresholds`."""
        return Thresholds.of(described)

    def fit_rule(self, fitting: RuleFitting, logits: np.ndarray, truth: np.ndarray, oos: int | None) -> DecisionRule:
        """See `Task.fit_rule`."""
        return fitting.several_labels(logits, truth)

    def quality(self, predicted: np.ndarray, truth: np.ndarray, scores: np.ndarray, oos: int | None) -> dict[str, float]:
        """Subset accuracy, micro, macro and samples F1; macro average precision where a text has a label."""
        found = label_metrics.weighted(np.ones((1, len(truth)), dtype=np.float32), predicted, truth)
        metrics = {name: float(value[0]) for name, value in found.items()}
        return metrics | ({"average_precision": label_metrics.average_precision(scores, truth)} if truth.any() else {})

    def weighted(
        self, weights: np.ndarray, predicted: np.ndarray, truth: np.ndarray, labels: int, oos: int | None
    ) -> dict[str, np.ndarray]:
        """See `label_metrics.weighted`."""
        return label_metrics.weighted(weights, predicted, truth)

    def fixed_parts(self, truth: np.ndarray, oos: int | None) -> dict[str, np.ndarray]:
        """Subset accuracy is a share of all texts."""
        return {"accuracy": np.ones(len(truth), dtype=bool)}

    def parts(self, truth: np.ndarray, predicted: np.ndarray, oos: int | None) -> dict[str, np.ndarray]:
        """The same."""
        return self.fixed_parts(truth, oos)

    def wrong_queries(self, truth: np.ndarray, labels: int, oos: int | None) -> WrongQueries:
        """A text with one label gets the next one instead: one label is missing, and one is too many."""
        share = truth.sum(axis=0) / max(truth.sum(), 1)
        rows = np.eye(labels, dtype=bool)
        return WrongQueries(rows, np.roll(rows, 1, axis=1), share)

    def text_scores(self, predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """F1 of each text."""
        return label_metrics.f1_of_texts(predicted, truth)

    def calibration(self, scores: np.ndarray, predicted: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The probabilities, and which labels a text has."""
        return scores, truth

    def classes(self, truth: np.ndarray) -> np.ndarray:
        """All labels of the first text, then those of the next."""
        return np.nonzero(truth)[1]

    def recalled(self, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """Which of them are answered."""
        found: np.ndarray = predicted[truth]
        return found

    def found(self, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """The true labels that are answered."""
        hits: np.ndarray = truth & predicted
        return hits

    def by_label(self, of: np.ndarray, chosen: np.ndarray, labels: int) -> np.ndarray:
        """See `Task.by_label`."""
        counts: np.ndarray = (of & chosen).sum(axis=0)
        return counts

    def changes_by_label(self, truth: np.ndarray, baseline: np.ndarray, candidate: np.ndarray, labels: int) -> LabelChanges:
        """Of all texts: whether each has the label."""
        before, after = baseline == truth, candidate == truth
        gained, lost = (after & ~before).sum(axis=0), (before & ~after).sum(axis=0)
        return LabelChanges(truth.sum(axis=0), np.full(labels, len(truth)), gained, lost)

    def names(self, answers: np.ndarray, labels: Sequence[str]) -> list[Any]:
        """A list of names a text."""
        return [[labels[index] for index in np.flatnonzero(row).tolist()] for row in answers]

    def indices(self, names: Sequence[Any], labels: Sequence[str]) -> np.ndarray:
        """See `Task.indices`."""
        place = {label: index for index, label in enumerate(labels)}
        return _indicators([[place[name] for name in own] for own in names], len(labels))

    def served(self, answers: Answers, labels: Sequence[str], oos: int | None) -> list[Any]:
        """The labels of each text with their probabilities."""
        found = []
        for given, scores in zip(answers.labels, answers.scores, strict=True):
            rows = np.flatnonzero(given)
            rows = rows[np.argsort(-scores[rows], kind="stable")].tolist()
            found.append(SeveralLabels([labels[row] for row in rows], [float(scores[row]) for row in rows]))
        return found


def _indicators(column: Sequence[Sequence[int]], labels: int) -> np.ndarray:
    """Lists of indices as bool (n, labels)."""
    found = np.zeros((len(column), labels), dtype=bool)
    for row, own in enumerate(column):
        found[row, list(own)] = True
    return found
