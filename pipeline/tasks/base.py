"""`Task`: what goes in and what comes out. What depends on it is a method here; nothing else asks which task it is.

Truth and answers are arrays with a row a text: int64 (n,) where a text has one label, bool (n, labels) where it has several.
Imports stay light: NumPy only, torch and scikit-learn inside methods.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np

LABEL = "label"  # the column of a split: an index into the labels, or a list of indices


class Answers(NamedTuple):
    """The answers of a classifier to some texts."""

    labels: np.ndarray  # int64 (n,), indices; or bool (n, labels), which labels a text has
    scores: np.ndarray  # float64 (n,), 0 to 1: the confidence in that label; or (n, labels), the probability of each
    abstained: np.ndarray  # bool (n,), whether the rule abstained: the text is out of scope


@dataclass(frozen=True)
class DecisionRule(ABC):
    """Turns logits into answers; `classifier.json` keeps it."""

    temperature: float = 1.0  # logits are divided by it, which only changes scores
    oos: int | None = field(default=None, kw_only=True)  # index of the out-of-scope label, where it may abstain

    @property
    @abstractmethod
    def plain(self) -> bool:
        """Whether it was not fitted: the answers are those of `Task.answer`."""

    @abstractmethod
    def described(self) -> dict[str, Any]:
        """For `classifier.json`."""

    @abstractmethod
    def answer(self, logits: np.ndarray) -> Answers:
        """The answers to logits, float (n, labels)."""

    @abstractmethod
    def metrics(self) -> dict[str, float]:
        """What was fitted, by name."""

    def answer_one(self, logits: np.ndarray) -> object:
        """The answer to the logits of one text, float (1, labels), and its score: what a call of a server computes."""
        return self.answer(logits)


class RuleFitting(Protocol):
    """What fits a decision rule to some texts; `Task.fit_rule` says which it needs. Arrays are those of the task."""

    def one_label(self, logits: np.ndarray, truth: np.ndarray, oos: int | None) -> DecisionRule:
        """A temperature, and where texts may be out of scope a threshold."""
        ...

    def several_labels(self, logits: np.ndarray, truth: np.ndarray) -> DecisionRule:
        """A temperature and thresholds of labels."""
        ...


class LabelChanges(NamedTuple):
    """Decisions about each label, int64 (labels,): gained are those that only the candidate has right, lost the reverse."""

    queries: np.ndarray  # texts that have the label
    decisions: np.ndarray  # all that can change: about these texts, or about every text where it may have several labels
    gained: np.ndarray
    lost: np.ndarray


class WrongQueries(NamedTuple):
    """Queries that one classifier answers wrong, for a smoothed bootstrap; rows are truth and answers."""

    truth: np.ndarray
    wrong: np.ndarray
    share: np.ndarray  # float64 (rows,), their sum is 1


@dataclass(frozen=True)
class Task(ABC):
    """A kind of answer, for single texts or for pairs of texts. Its subclasses are one file each."""

    pairs: bool = False  # whether two texts go in

    outcome: ClassVar[str]  # what comes out
    problem_type: ClassVar[str]  # transformers' name of it, which decides about loss and scores
    best_by: ClassVar[str]  # the metric that ranks: it chooses the epoch of a training unless `Training.best_by` is set
    scores: ClassVar[tuple[str, ...]]  # what may choose the epoch instead, besides the loss: see `score`
    of_scores: ClassVar[tuple[str, ...]] = ()  # further metrics of quality, which rate the scores of answers
    balanced_by: ClassVar[str]  # the setting of a training that weighs rare labels more, see `balanced_weights`
    unlabelled: ClassVar[Any]  # stands for the label of a text that has none
    fields: ClassVar[tuple[str, ...]]  # of an answer that is served
    form: ClassVar[str]  # how an answer is named by what serves it, see `service`
    number_of: ClassVar[str]  # labels that a text has: "NUMBER_OF 5 labels"
    headlines: ClassVar[Mapping[str, str]]  # the metrics of a model card, by name, and how they are called there
    transformers_arguments: ClassVar[str] = ""  # of transformers' pipeline, so that it gives all scores

    @property
    def name(self) -> str:
        """Its name in `TASKS`, in `classifier.json` and in `Step.tasks`."""
        return f"{self.outcome}_pairs" if self.pairs else self.outcome

    @property
    def qualities(self) -> tuple[str, ...]:
        """The metrics that tasks have or lack."""
        return (*self.scores, *self.of_scores)

    @property
    def service(self) -> str:
        """The module in `pipeline/deployment/serve/` that MLflow loads."""
        return f"{'pairs' if self.pairs else 'texts'}_to_{self.form}"

    # the columns

    @abstractmethod
    def feature(self, labels: Sequence[str]) -> Any:
        """The type of the label column, of the library datasets."""

    @abstractmethod
    def truth(self, split: Any, labels: int) -> np.ndarray:
        """The labels of a split as an array; labels: their number."""

    # training

    @abstractmethod
    def targets(self, column: Sequence[Any], labels: int) -> np.ndarray:
        """What a loss takes for these values of the label column: int64 (n,) or float32 (n, labels)."""

    @abstractmethod
    def losses(self, logits: Any, targets: Any, weights: Any = None, label_smoothing: float = 0.0) -> Any:
        """The loss of each text, a tensor (n,); logits: a tensor (n, labels); weights: float32 (labels,)."""

    @abstractmethod
    def balanced_weights(self, truth: np.ndarray, labels: int) -> np.ndarray:
        """The weights for `losses` with which rare labels count as much as frequent ones: float32 (labels,)."""

    @abstractmethod
    def head_biases(self, truth: np.ndarray, weights: np.ndarray | None) -> np.ndarray | None:
        """The biases of a new last layer, float32 (labels,); weights: as for `losses`. None: as the network has them."""

    @abstractmethod
    def distillation_loss(
        self, student: Any, teacher: Any, targets: Any, alpha: float, temperature: float, weights: Any = None
    ) -> Any:
        """alpha * loss of the targets + (1 - alpha) * divergence from the teacher's logits: a scalar tensor.

        student, teacher: logits, float32 tensors (n, labels); weights: as for `losses`.
        """

    @abstractmethod
    def regression(
        self, features: Any, truth: np.ndarray, labels: int, strength: float, balanced: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Weights, float64 (features, labels), and biases of a logistic regression on a matrix (n, features).

        balanced: whether a text counts as much as its class is rare.
        """

    @abstractmethod
    def score(self, metric: str, predicted: np.ndarray, truth: np.ndarray) -> float:
        """One of `scores` for some answers, 0 to 1."""

    @abstractmethod
    def parts_of(self, predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """What each text contributes to the metric `best_by`, uint8 (n, parts): see `score_of`."""

    @abstractmethod
    def score_of(self, mean: np.ndarray) -> np.ndarray:
        """The metric `best_by`, float (...), of the mean contribution of some texts, float (..., parts)."""

    # answers

    @abstractmethod
    def answer(self, logits: np.ndarray) -> np.ndarray:
        """The answers to logits, float (n, labels), where no decision rule was fitted."""

    @abstractmethod
    def margins(self, expected: np.ndarray, found: np.ndarray) -> np.ndarray:
        """How far logits would have to move for the answer of others, float (n,): 0 where both have the same answer."""

    @abstractmethod
    def rule(self, described: Mapping[str, Any] | None, oos: int | None) -> DecisionRule:
        """The decision rule as stored in `classifier.json`; None: none was fitted. Raises ValueError or TypeError."""

    @abstractmethod
    def fit_rule(self, fitting: RuleFitting, logits: np.ndarray, truth: np.ndarray, oos: int | None) -> DecisionRule:
        """The rule that suits some texts best. Raises what `fitting` raises."""

    # quality

    @abstractmethod
    def quality(self, predicted: np.ndarray, truth: np.ndarray, scores: np.ndarray, oos: int | None) -> dict[str, float]:
        """The metrics of answers, shares from 0 to 1 by name. "accuracy" is always among them: every label is right."""

    @abstractmethod
    def weighted(
        self, weights: np.ndarray, predicted: np.ndarray, truth: np.ndarray, labels: int, oos: int | None
    ) -> dict[str, np.ndarray]:
        """Those metrics that have an interval, for each row of weights, float32 (resamples, n): float64 (resamples,)."""

    @abstractmethod
    def fixed_parts(self, truth: np.ndarray, oos: int | None) -> dict[str, np.ndarray]:
        """For each metric that is a share of right answers among texts that no answer decides: these texts, bool (n,)."""

    @abstractmethod
    def parts(self, truth: np.ndarray, predicted: np.ndarray, oos: int | None) -> dict[str, np.ndarray]:
        """The same, and metrics that are a share of right answers among texts that the answers decide."""

    @abstractmethod
    def wrong_queries(self, truth: np.ndarray, labels: int, oos: int | None) -> WrongQueries:
        """One query with a wrong answer, spread over the labels by their share."""

    @abstractmethod
    def text_scores(self, predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """How right each answer is, float64 (n,), 0 to 1."""

    @abstractmethod
    def calibration(self, scores: np.ndarray, predicted: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The scores whose calibration counts, and whether what they rate is so; (n,), or (n, labels) label by label."""

    @abstractmethod
    def classes(self, truth: np.ndarray) -> np.ndarray:
        """The class of each true label, text after text, int64 (m,): of one label a text m is the number of texts."""

    @abstractmethod
    def recalled(self, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """Which of these labels an answer has, bool (m,)."""

    @abstractmethod
    def found(self, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """Which true labels an answer has: bool, of the shape of `truth`."""

    @abstractmethod
    def by_label(self, of: np.ndarray, chosen: np.ndarray, labels: int) -> np.ndarray:
        """How often each label stands in `of` (truth or answers) where `chosen`, bool of the same shape: int64 (labels,)."""

    @abstractmethod
    def changes_by_label(self, truth: np.ndarray, baseline: np.ndarray, candidate: np.ndarray, labels: int) -> LabelChanges:
        """What only one of two classifiers decides right, label by label."""

    # how an answer looks

    @abstractmethod
    def names(self, answers: np.ndarray, labels: Sequence[str]) -> list[Any]:
        """The names of the labels of each answer: a string, or a list of strings."""

    @abstractmethod
    def indices(self, names: Sequence[Any], labels: Sequence[str]) -> np.ndarray:
        """The reverse of `names`. Raises KeyError for other labels."""

    @abstractmethod
    def served(self, answers: Answers, labels: Sequence[str], oos: int | None) -> list[Any]:
        """The answers as they are served: `OneLabel` or `SeveralLabels` for each text."""

    def shown(self, answers: np.ndarray, labels: Sequence[str]) -> list[str]:
        """The answers as strings, for tables."""
        return [each if isinstance(each, str) else " + ".join(each) or "(none)" for each in self.names(answers, labels)]


def same(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Whether two answers to a text are the same, bool (n,): all of its labels are."""
    equal: np.ndarray = (one == other).reshape(len(one), -1).all(axis=1)
    return equal


def strata(truth: np.ndarray) -> np.ndarray:
    """The combination of labels of each text as a number, int64 (n,), for drawing evenly."""
    if truth.ndim == 1:
        return truth
    codes: np.ndarray = np.unique(np.packbits(truth, axis=1), axis=0, return_inverse=True)[1].reshape(-1)
    return codes
