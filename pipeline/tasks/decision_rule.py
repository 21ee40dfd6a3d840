"""The decision rule of a classifier with one label a text turns logits into an answer; `classifier.json` keeps it.

Without a rule, the answer is the label with the largest logit, and the score is its softmax probability. A rule has a
temperature, which only changes scores (Guo et al. 2017, *On calibration of modern neural networks*). It may also abstain: it
computes a score from the in-scope logits that is high for in-scope texts, and answers "out of scope" where this score is
below the threshold. Otherwise the answer is the best in-scope label.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pipeline.tasks.base import Answers, DecisionRule

CHUNK = 8192  # texts that are computed together: float64 copies of all logits of a large split would not fit


class InScopeLogits(NamedTuple):
    """The in-scope logits of some texts, float64, from which the scores are computed."""

    logits: np.ndarray  # (n, n_labels); -inf for the out-of-scope label
    oos: np.ndarray  # (n,), the logit of the out-of-scope label
    top: np.ndarray  # (n,), the largest in-scope logit
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
    """The largest softmax probability among in-scope labels (Hendrycks and Gimpel 2017)."""
    probability: np.ndarray = 1 / inside.mass(inside.temperature)
    return probability


def _margin(inside: InScopeLogits) -> np.ndarray:
    """The largest in-scope logit minus the second; the logit itself where there is one in-scope label."""
    if inside.logits.shape[1] == 2:
        return inside.top
    margin: np.ndarray = inside.top - np.partition(inside.logits, -2, axis=1)[:, -2]
    return margin


def _bias(inside: InScopeLogits) -> np.ndarray:
    """The largest in-scope logit minus the out-of-scope logit, so the threshold acts as a bias on the latter."""
    above: np.ndarray = inside.top - inside.oos
    return above


def _odds(inside: InScopeLogits) -> np.ndarray:
    """The energy minus weight * out-of-scope logit; with a weight of 1, the log odds that a text is in scope."""
    odds: np.ndarray = _energy(inside) - inside.weight * inside.oos
    return odds


OOS_SCORES: dict[str, Callable[[InScopeLogits], np.ndarray]] = {
    "energy": _energy, "max_probability": _probability, "margin": _margin, "bias": _bias, "odds": _odds,
}  # fmt: skip


@dataclass(frozen=True)
class Rule(DecisionRule):
    """The decision rule. The default changes nothing: the largest logit and its softmax probability."""

    oos_score: str | None = None  # a key of `OOS_SCORES`; None: it never abstains
    threshold: float = 0.0  # it abstains on a text with a lower score
    weight: float = 0.0  # of the out-of-scope logit, for the score "odds"

    @classmethod
    def of(cls, described: Mapping[str, Any] | None, oos: int | None) -> "Rule":
        """The rule as stored in `classifier.json`. Raises ValueError or TypeError when it is not valid."""
        rule = cls(**(described or {}), oos=oos)
        if rule.oos_score is not None and (rule.oos_score not in OOS_SCORES or oos is None):
            raise ValueError(f"not a valid decision rule: {described}, out-of-scope label {oos}")
        if not rule.temperature > 0:
            raise ValueError(f"a decision rule needs a temperature above 0, not {rule.temperature}")
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

    def metrics(self) -> dict[str, float]:
        """Temperature, and where it abstains threshold and weight."""
        found = {"temperature": self.temperature}
        if self.oos_score is None:
            return found
        return found | {"threshold": self.threshold} | ({"weight": self.weight} if self.oos_score == "odds" else {})

    def oos_scores(self, logits: np.ndarray) -> np.ndarray:
        """The score that is compared with the threshold, for logits float (n, n_labels): float64 (n,)."""
        assert self.oos_score is not None
        return OOS_SCORES[self.oos_score](self._inside(logits))

    def _inside(self, logits: np.ndarray) -> InScopeLogits:
        inside = logits.astype(np.float64)
        oos = inside[:, self.oos].copy()
        inside[:, self.oos] = -np.inf
        return InScopeLogits(inside, oos, inside.max(axis=1), self.temperature, self.weight)

    def answer_one(self, logits: np.ndarray) -> tuple[int, float]:
        """See `DecisionRule.answer_one`."""
        if not self.plain:
            labels, scores, _ = self.answer(logits)
            return int(labels[0]), float(scores[0])
        label = int(logits[0].argmax())
        return label, float(1 / np.exp(logits[0] - logits[0, label]).sum())

    def answer(self, logits: np.ndarray) -> Answers:
        """The answers to logits, float (n, n_labels).

        The score is the softmax probability of the label at the rule's temperature. Where the rule abstains, the score is
        1 - the probability of the best in-scope label: the confidence that no in-scope label fits.
        """
        parts = [self._answer(logits[start : start + CHUNK]) for start in range(0, max(1, len(logits)), CHUNK)]
        return Answers(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def _answer(self, logits: np.ndarray) -> Answers:
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
