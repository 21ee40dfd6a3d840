"""How logits become an answer: the decision rule of a classifier, which `classifier.json` keeps.

Without one, the answer is the label with the largest logit and the score its softmax probability. A rule has a temperature,
which changes scores only (Guo et al. 2017, *On calibration of modern neural networks*), and may refuse a text as out of
scope: then a score of the in-scope logits, high for texts that are in scope, is below its threshold. Of the others the best
in-scope label is the answer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np


class Answers(NamedTuple):
    """What a classifier says of some texts."""

    labels: np.ndarray  # int64 (n,), indices
    scores: np.ndarray  # float64 (n,), 0 to 1: how sure of that label
    abstained: np.ndarray  # bool (n,), whether the rule has turned the text away as out of scope


class InScopeLogits(NamedTuple):
    """Logits of some texts, float64, as the scores look at them; it is made for every text, so nothing is computed twice."""

    logits: np.ndarray  # (n, n_labels), that of the out-of-scope label -inf
    oos: np.ndarray  # (n,), that of the out-of-scope label
    top: np.ndarray  # (n,), the largest of the others
    temperature: float
    weight: float

    def mass(self, temperature: float) -> np.ndarray:
        """The sum of exp((logit - top) / temperature) over the in-scope labels: (n,), 1 or more."""
        mass: np.ndarray = np.exp((self.logits - self.top[:, None]) / temperature).sum(axis=1)
        return mass


def _energy(inside: InScopeLogits) -> np.ndarray:
    """The negative free energy of the in-scope logits (Liu et al. 2020, *Energy-based out-of-distribution detection*)."""
    energy: np.ndarray = inside.top + np.log(inside.mass(1.0))
    return energy


def _probability(inside: InScopeLogits) -> np.ndarray:
    """The largest softmax probability (Hendrycks and Gimpel 2017), among in-scope labels."""
    probability: np.ndarray = 1 / inside.mass(inside.temperature)
    return probability


def _margin(inside: InScopeLogits) -> np.ndarray:
    """How far the largest in-scope logit is above the second; that logit itself where there is one in-scope label."""
    if inside.logits.shape[1] == 2:
        return inside.top
    margin: np.ndarray = inside.top - np.partition(inside.logits, -2, axis=1)[:, -2]
    return margin


def _bias(inside: InScopeLogits) -> np.ndarray:
    """How far the largest in-scope logit is above that of the out-of-scope label: the threshold is a bias on the latter."""
    above: np.ndarray = inside.top - inside.oos
    return above


def _odds(inside: InScopeLogits) -> np.ndarray:
    """The energy less so many times the out-of-scope logit; with a weight of 1 the log odds that a text is in scope."""
    odds: np.ndarray = _energy(inside) - inside.weight * inside.oos
    return odds


OOS_SCORES: dict[str, Callable[[InScopeLogits], np.ndarray]] = {
    "energy": _energy, "max_probability": _probability, "margin": _margin, "bias": _bias, "odds": _odds,
}  # fmt: skip


@dataclass(frozen=True)
class Rule:
    """The decision rule; the default is none."""

    temperature: float = 1.0
    oos_score: str | None = None  # of `OOS_SCORES`; None: nothing is refused
    threshold: float = 0.0  # below it a text is refused
    weight: float = 0.0  # of the out-of-scope logit, where the metric is "odds"
    oos: int | None = None  # index of the out-of-scope label; there must be one where a metric is

    @classmethod
    def of(cls, described: dict[str, Any] | None, oos: int | None) -> "Rule":
        """As `classifier.json` has it. Raises ValueError or TypeError when that is no rule."""
        rule = cls(**(described or {}), oos=oos)
        if rule.oos_score is not None and (rule.oos_score not in OOS_SCORES or oos is None):
            raise ValueError(f"no such decision rule: {described}, out-of-scope label {oos}")
        if not rule.temperature > 0:
            raise ValueError(f"a decision rule with temperature {rule.temperature}")
        return rule

    @property
    def plain(self) -> bool:
        """Whether the answer is the label with the largest logit, and the score its softmax probability."""
        return self.oos_score is None and self.temperature == 1.0

    def described(self) -> dict[str, Any]:
        """For `classifier.json`."""
        return {
            "temperature": self.temperature,
            "oos_score": self.oos_score,
            "threshold": self.threshold,
            "weight": self.weight,
        }

    def oos_scores(self, logits: np.ndarray) -> np.ndarray:
        """The metric that is compared with the threshold, of logits float (n, n_labels): float64 (n,)."""
        assert self.oos_score is not None
        return OOS_SCORES[self.oos_score](self._inside(logits))

    def _inside(self, logits: np.ndarray) -> InScopeLogits:
        inside = logits.astype(np.float64)
        oos = inside[:, self.oos].copy()
        inside[:, self.oos] = -np.inf
        return InScopeLogits(inside, oos, inside.max(axis=1), self.temperature, self.weight)

    def answer(self, logits: np.ndarray) -> Answers:
        """The answers to logits, float (n, n_labels).

        The score is the softmax probability of the label at the rule's temperature; that of a refusal is what is left beside
        the best in-scope label, 1 - its probability: how sure it is that none of them fits.
        """
        if self.oos_score is None or self.oos is None:
            wide = logits.astype(np.float64)
            scores = 1 / np.exp((wide - wide.max(axis=1, keepdims=True)) / self.temperature).sum(axis=1)
            return Answers(logits.argmax(axis=1), scores, np.zeros(len(logits), dtype=bool))
        inside = self._inside(logits)
        labels = inside.logits.argmax(axis=1)
        best = 1 / (inside.mass(self.temperature) + np.exp((inside.oos - inside.top) / self.temperature))
        abstained = OOS_SCORES[self.oos_score](inside) < self.threshold
        if abstained.any():
            labels, best = np.where(abstained, self.oos, labels), np.where(abstained, 1 - best, best)
        return Answers(labels, best, abstained)
