"""`calibrate`: fits a classifier's decision rule on the validation split; its weights do not change.

A temperature makes confidence match accuracy. If the data has an out-of-scope label, a threshold is fitted that minimizes
the cost of the two kinds of error, and for the score "odds" also a weight. Where a text may have several labels, the
thresholds of their probabilities are fitted (`pipeline/tasks/threshold_fitting.py`). Scores shift when a classifier is
made smaller, so this is the last step of an optimization, and each optimization has its own rule.

The artifact also keeps the rules that were fitted without each fold of the split, for honest answers to its texts (see
`pipeline.runtimes.crossfit`).
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from pipeline.config import Optim, Step, kind, setting
from pipeline.errors import OptimizationError
from pipeline.models.outline import Outline
from pipeline.runtimes import crossfit
from pipeline.runtimes.base import Description
from pipeline.steps.base import ANY, Context, versions
from pipeline.steps.shared.inference import crossfitted_logits_of, logits_of
from pipeline.tasks import SINGLE_LABEL, Task, threshold_fitting
from pipeline.tasks.base import DecisionRule
from pipeline.tasks.decision_rule import OOS_SCORES, Rule
from pipeline.tasks.inputs import inputs_of
from pipeline.tasks.single_label import out_of_scope
from pipeline.tasks.threshold_fitting import EACH, ONE

NO_RULE = "none"
MAX_TEMPERATURE = 20.0  # temperatures from 1/20 to 20 are tried


@kind("step", "calibrate")
@dataclass(frozen=True)
class Calibrate(Step):
    """Settings of `conf/step/calibrate.yaml`."""

    oos_score: str = setting("energy", choices=(*OOS_SCORES, NO_RULE))
    missed_cost: float = setting(1.0, min=0)
    wrong_cost: float = setting(1.0, min=0)
    oos_share: float | None = setting(0.2, min=0, max=1)
    thresholds: str = setting(ONE, choices=(ONE, EACH))

    code_version: ClassVar[int] = 4
    takes: ClassVar[tuple[str, ...]] = ANY
    gives: ClassVar[str] = "calibrated"
    learns: ClassVar[bool] = False

    def inputs(self, context: Context) -> dict[str, Any]:
        """The validation split is part of the data."""
        return {
            "data": context.splits.content_hash,
            "versions": versions("numpy", "scipy", "scikit-learn", "torch", "transformers", "tokenizers", "onnxruntime"),
        }

    def check(self, context: Context, source: Outline | None, needed: Mapping[str, Outline]) -> Outline | None:
        """Raises OptimizationError when a threshold is wanted and validation has one kind of text only."""
        if self.oos_score != NO_RULE and context.splits.oos is not None:
            truth = _truth(context)
            for rows in crossfit.without_each_fold(truth):
                require_both_kinds(out_of_scope(truth[rows], context.splits.oos))
        return source

    def make(self, context: Context, artifact: Path, scratch: Path) -> dict[str, Any]:
        """Fit temperature and threshold; metrics: both. Raises OptimizationError when one kind of text is missing."""
        assert context.source is not None
        validation, description = context.splits.validation, Description.read(context.source)
        texts, truth, activity = inputs_of(validation), _truth(context), "fitting the decision rule"
        logits = logits_of(context.source, texts, activity)
        task = context.splits.task
        rule = self.fit(logits, truth, description.oos, task)
        if description.fold_rules is not None:
            logits = crossfitted_logits_of(context.source, texts, truth, activity)
        others = crossfit.without_each_fold(truth)
        fold_rules = [self.fit(logits[rows], truth[rows], description.oos, task).described() for rows in others]
        shutil.copytree(context.source, artifact, dirs_exist_ok=True)
        replace(description, decision=rule.described(), fold_rules=fold_rules).write(artifact)
        return {"metrics": {f"calibrate/{name}": value for name, value in rule.metrics().items()}}

    def fit(self, logits: np.ndarray, truth: np.ndarray, oos: int | None, task: Task = SINGLE_LABEL) -> DecisionRule:
        """The rule that suits some texts best: logits float (n, n_labels), truth as an array of the task.

        oos: the out-of-scope label. Raises OptimizationError when one kind of text is missing.
        """
        return task.fit_rule(self, logits, truth, oos)

    def several_labels(self, logits: np.ndarray, truth: np.ndarray) -> DecisionRule:
        """See `threshold_fitting`."""
        return threshold_fitting.fit(logits, truth, self.thresholds)

    def one_label(self, logits: np.ndarray, truth: np.ndarray, oos: int | None) -> DecisionRule:
        """A temperature, and a threshold where there is an out-of-scope label. Raises what `fit` raises."""
        rule = Rule(fit_temperature(logits, truth), oos=oos)
        if oos is None or self.oos_score == NO_RULE:
            return rule
        return self._fit_oos_threshold(replace(rule, oos_score=self.oos_score), logits, truth)

    def _fit_oos_threshold(self, rule: Rule, logits: np.ndarray, truth: np.ndarray) -> Rule:
        outside = out_of_scope(truth, rule.oos)
        require_both_kinds(outside)
        if self.oos_score == "odds":
            energy = replace(rule, oos_score="energy").oos_scores(logits)
            rule = replace(rule, weight=fit_weight(energy, logits[:, rule.oos].astype(np.float64), outside))
        answered = replace(rule, threshold=-np.inf).answer(logits).labels
        counts = sample_weights(outside, self.oos_share)
        missed, wrong = self.missed_cost * counts[outside][0], self.wrong_cost * counts[~outside][0]
        threshold = fit_threshold(rule.oos_scores(logits), outside, answered == truth, missed, wrong)
        return replace(rule, threshold=threshold)


def _truth(context: Context) -> np.ndarray:
    """The labels of the validation split, as an array of the task."""
    return context.splits.task.truth(context.splits.validation, len(context.splits.labels))


def require_both_kinds(outside: np.ndarray) -> None:
    """Raises OptimizationError unless some texts are out of scope and some are not; outside: bool (n,)."""
    if outside.all() or not outside.any():
        raise OptimizationError(
            f"the validation split, or the part without one of its {crossfit.FOLDS} folds, has {outside.sum()} "
            f"out-of-scope texts of {len(outside)}: no threshold can be fitted; "
            "give data.validation with both kinds, or set optim.steps.calibrate.oos_score=none"
        )


def sample_weights(outside: np.ndarray, oos_share: float | None) -> np.ndarray:
    """Weights of texts that make this share of them out-of-scope: float64 (n,), their sum is 1.

    outside: bool (n,), whether a text is out of scope. All weights are equal if the share is None or one kind is missing.
    """
    if oos_share is None or outside.all() or not outside.any():
        return np.full(len(outside), 1 / len(outside))
    counts: np.ndarray = np.where(outside, oos_share / outside.sum(), (1 - oos_share) / (~outside).sum())
    return counts


def oos_share_of(optim: Optim) -> float | None:
    """The share of out-of-scope texts that an optimization's decision rule assumes; None: that of the validation split.

    Also None if the optimization has no rule with a threshold.
    """
    rules = [step for step in optim.steps.values() if isinstance(step, Calibrate) and step.oos_score != NO_RULE]
    return rules[-1].oos_share if rules else None


def fit_temperature(logits: np.ndarray, truth: np.ndarray) -> float:
    """The temperature with the largest likelihood of the true labels (Guo et al. 2017).

    logits: float (n, n_labels); truth: int64 (n,).
    """
    wide, rows = logits.astype(np.float64), np.arange(len(truth))

    def negative_log_likelihood(log_temperature: float) -> float:
        return -float(log_softmax(wide / np.exp(log_temperature), axis=1)[rows, truth].mean())

    bound = np.log(MAX_TEMPERATURE)
    return float(np.exp(minimize_scalar(negative_log_likelihood, bounds=(-bound, bound), method="bounded").x))


def fit_weight(energy: np.ndarray, oos_logit: np.ndarray, outside: np.ndarray) -> float:
    """The weight w for which energy - w * oos_logit separates in-scope and out-of-scope texts best.

    energy, oos_logit: float64 (n,); outside: bool (n,). It is the ratio of the two coefficients of a logistic regression
    with balanced classes, and 0 if the out-of-scope logit does not help.
    """
    from sklearn.linear_model import LogisticRegression

    both = np.stack([energy, oos_logit], axis=1)
    deviation = np.where(both.std(axis=0) > 0, both.std(axis=0), 1.0)
    fitted = LogisticRegression(C=1e3, class_weight="balanced").fit((both - both.mean(axis=0)) / deviation, ~outside)
    of_energy, of_oos = fitted.coef_[0] / deviation
    return float(max(0.0, -of_oos / of_energy)) if of_energy > 0 else 0.0


def fit_threshold(scores: np.ndarray, outside: np.ndarray, right: np.ndarray, missed: float, wrong: float) -> float:
    """The threshold with the lowest cost; the rule abstains below it.

    missed: cost of an out-of-scope text that is answered; wrong: cost of an in-scope text that is not answered, or answered
    although not `right`. scores: float64 (n,); outside, right: bool (n,). The threshold lies halfway between two scores; of
    several with the same cost the middle one is returned.
    """
    order = np.argsort(scores, kind="stable")
    values, outside, right = scores[order], outside[order], right[order]
    saved = np.where(outside, missed, np.where(right, -wrong, 0.0))  # by abstaining on this text too
    cost = -np.concatenate([[0.0], np.cumsum(saved)])  # of abstaining on the first k, up to a constant
    between = np.concatenate([[values[0] - 1], (values[1:] + values[:-1]) / 2, [values[-1] + 1]])
    possible = np.concatenate([[True], values[1:] > values[:-1], [True]])  # not between equal scores
    cost = np.where(possible, cost, np.inf)
    best = np.flatnonzero(cost <= cost.min() + 1e-12)
    return float(between[best[len(best) // 2]])
