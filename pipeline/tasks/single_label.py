"""One label of several, one of which may mean "out of scope": the largest logit, accuracy and macro F1."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from pipeline.tasks import class_scores
from pipeline.tasks.base import LABEL as LABEL
from pipeline.tasks.base import Answers, DecisionRule, LabelChanges, RuleFitting, Task, WrongQueries
from pipeline.tasks.decision_rule import Rule
from pipeline.tasks.inputs import TEXT as TEXT
from pipeline.tasks.weighted import answer as answer
from pipeline.tasks.weighted import fixed_parts as fixed_parts
from pipeline.tasks.weighted import out_of_scope as out_of_scope
from pipeline.tasks.weighted import parts as parts
from pipeline.tasks.weighted import weighted

NAME = "single_label"
PROBLEM_TYPE = "single_label_classification"


class OneLabel(NamedTuple):
    """The answer to one text."""

    label: str
    score: float  # 0 to 1, see `pipeline.tasks.decision_rule`
    abstained: bool  # whether the classifier considers the text out of scope


@dataclass(frozen=True)
class SingleLabel(Task):
    """See `Task`."""

    outcome: ClassVar[str] = NAME
    problem_type: ClassVar[str] = PROBLEM_TYPE
    best_by: ClassVar[str] = "accuracy"
    scores: ClassVar[tuple[str, ...]] = ("accuracy", "f1_macro", "balanced_accuracy")
    balanced_by: ClassVar[str] = "class_weights"
    unlabelled: ClassVar[Any] = -100  # torch's cross-entropy ignores it
    fields: ClassVar[tuple[str, ...]] = OneLabel._fields
    form: ClassVar[str] = "label"
    number_of: ClassVar[str] = "one of"
    headlines: ClassVar[Mapping[str, str]] = {"accuracy": "accuracy"}

    def feature(self, labels: Sequence[str]) -> Any:
        """See `Task.feature`."""
        from datasets import ClassLabel

        return ClassLabel(names=list(labels))

    def truth(self, split: Any, labels: int) -> np.ndarray:
        """See `Task.truth`."""
        return np.array(split[LABEL])

    def targets(self, column: Sequence[Any], labels: int) -> np.ndarray:
        """See `Task.targets`."""
        return np.array(column, dtype=np.int64)

    def losses(self, logits: Any, targets: Any, weights: Any = None, label_smoothing: float = 0.0) -> Any:
        """See `losses.cross_entropies`."""
        from pipeline.tasks.losses import cross_entropies

        return cross_entropies(logits, targets, weights, label_smoothing)

    def balanced_weights(self, truth: np.ndarray, labels: int) -> np.ndarray:
        """See `class_scores.balanced_weights`."""
        return class_scores.balanced_weights(truth, labels)

    def head_biases(self, truth: np.ndarray, weights: np.ndarray | None) -> np.ndarray | None:
        """None: of few classes none is so rare that a training has to find out how rare they are."""
        return None

    def distillation_loss(
        self, student: Any, teacher: Any, targets: Any, alpha: float, temperature: float, weights: Any = None
    ) -> Any:
        """See `losses.softmax_distillation`."""
        from pipeline.tasks.losses import softmax_distillation

        return softmax_distillation(student, teacher, targets, alpha, temperature, weights)

    def regression(
        self, features: Any, truth: np.ndarray, labels: int, strength: float, balanced: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `regression.of_one_label`."""
        from pipeline.tasks.regression import of_one_label

        return of_one_label(features, truth, labels, strength, balanced)

    def score(self, metric: str, predicted: np.ndarray, truth: np.ndarray) -> float:
        """See `class_scores`."""
        return class_scores.SCORES[metric](predicted, truth)

    def parts_of(self, predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """1 where the answer is right."""
        right: np.ndarray = (predicted == truth).astype(np.uint8)[:, None]
        return right

    def score_of(self, mean: np.ndarray) -> np.ndarray:
        """Accuracy."""
        accuracy: np.ndarray = mean[..., 0]
        return accuracy

    def answer(self, logits: np.ndarray) -> np.ndarray:
        """The label with the largest logit."""
        return answer(logits)

    def margins(self, expected: np.ndarray, found: np.ndarray) -> np.ndarray:
        """The largest logit minus that of the other answer."""
        margins: np.ndarray = expected.max(axis=1) - expected[np.arange(len(expected)), answer(found)]
        return margins

    def rule(self, described: Mapping[str, Any] | None, oos: int | None) -> Rule:
        """See `decision_rule`."""
        return Rule.of(described, oos)

    def fit_rule(self, fitting: RuleFitting, logits: np.ndarray, truth: np.ndarray, oos: int | None) -> DecisionRule:
        """See `Task.fit_rule`."""
        return fitting.one_label(logits, truth, oos)

    def quality(self, predicted: np.ndarray, truth: np.ndarray, scores: np.ndarray, oos: int | None) -> dict[str, float]:
        """See `scores.Quality`."""
        from pipeline.tasks.scores import quality_of

        return quality_of(predicted, truth, oos)

    def weighted(
        self, weights: np.ndarray, predicted: np.ndarray, truth: np.ndarray, labels: int, oos: int | None
    ) -> dict[str, np.ndarray]:
        """See `Task.weighted`."""
        return weighted(weights, predicted, truth, labels, oos)

    def fixed_parts(self, truth: np.ndarray, oos: int | None) -> dict[str, np.ndarray]:
        """Accuracy, and that of texts in and out of scope."""
        return fixed_parts(truth, oos)

    def parts(self, truth: np.ndarray, predicted: np.ndarray, oos: int | None) -> dict[str, np.ndarray]:
        """The same, and out-of-scope precision."""
        return parts(truth, predicted, oos)

    def wrong_queries(self, truth: np.ndarray, labels: int, oos: int | None) -> WrongQueries:
        """The wrong answer is the out-of-scope label where there is one, else the next label."""
        classes, of_class = np.unique(truth, return_counts=True)
        wrong = (classes + 1) % labels if oos is None else np.where(classes == oos, (classes + 1) % labels, oos)
        return WrongQueries(classes, wrong, of_class / len(truth))

    def text_scores(self, predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """1 where the answer is right."""
        right: np.ndarray = (predicted == truth).astype(np.float64)
        return right

    def calibration(self, scores: np.ndarray, predicted: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The scores of the answers, and which of these are right."""
        return scores, predicted == truth

    def classes(self, truth: np.ndarray) -> np.ndarray:
        """The label of each text."""
        return truth

    def recalled(self, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """Which answers are right."""
        return self.found(truth, predicted)

    def found(self, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """Which answers are right."""
        right: np.ndarray = truth == predicted
        return right

    def by_label(self, of: np.ndarray, chosen: np.ndarray, labels: int) -> np.ndarray:
        """See `Task.by_label`."""
        return np.bincount(of[chosen], minlength=labels)

    def changes_by_label(self, truth: np.ndarray, baseline: np.ndarray, candidate: np.ndarray, labels: int) -> LabelChanges:
        """Of the texts of each label."""
        before, after = baseline == truth, candidate == truth
        texts, gained, lost = (
            np.bincount(truth[rows], minlength=labels)
            for rows in (np.ones(len(truth), dtype=bool), after & ~before, before & ~after)
        )
        return LabelChanges(texts, texts, gained, lost)

    def names(self, answers: np.ndarray, labels: Sequence[str]) -> list[Any]:
        """One name a text."""
        return [labels[index] for index in answers.tolist()]

    def indices(self, names: Sequence[Any], labels: Sequence[str]) -> np.ndarray:
        """See `Task.indices`."""
        place = {label: index for index, label in enumerate(labels)}
        return np.array([place[name] for name in names])

    def served(self, answers: Answers, labels: Sequence[str], oos: int | None) -> list[Any]:
        """One label a text, with its score."""
        found = zip(answers.labels.tolist(), answers.scores.tolist(), strict=True)
        return [OneLabel(labels[label], float(score), label == oos) for label, score in found]
