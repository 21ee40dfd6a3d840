"""How logits become an answer: the decision rule of a classifier, which `classifier.json` keeps.

Without one, the answer is the label with the largest logit and the score its softmax probability. A rule has a temperature,
which changes scores only (Guo et al. 2017, *On calibration of modern neural networks*), and may refuse a text as out of
scope: then a figure of the in-scope logits, high for texts that are in scope, is below its threshold. Of the others the best
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
    refused: np.ndarray  # bool (n,), whether the rule has turned the text away as out of scope


def _energy(inside: np.ndarray, oos: np.ndarray, temperature: float) -> np.ndarray:
    """The negative free energy of the in-scope logits (Liu et al. 2020, *Energy-based out-of-distribution detection*)."""
    top = inside.max(axis=1)
    energy: np.ndarray = top + np.log(np.exp(inside - top[:, None]).sum(axis=1))
    return energy


def _probability(inside: np.ndarray, oos: np.ndarray, temperature: float) -> np.ndarray:
    """The largest softmax probability (Hendrycks and Gimpel 2017), among in-scope labels."""
    probability: np.ndarray = _softmax(inside / temperature).max(axis=1)
    return probability


def _margin(inside: np.ndarray, oos: np.ndarray, temperature: float) -> np.ndarray:
    """How far the largest in-scope logit is above the second."""
    if inside.shape[1] == 1:
        return inside[:, 0]
    second, first = np.partition(inside, -2, axis=1)[:, -2:].T
    margin: np.ndarray = first - second
    return margin


def _bias(inside: np.ndarray, oos: np.ndarray, temperature: float) -> np.ndarray:
    """How far the largest in-scope logit is above that of the out-of-scope label: the threshold is a bias on the latter."""
    above: np.ndarray = inside.max(axis=1) - oos
    return above


FIGURES: dict[str, Callable[[np.ndarray, np.ndarray, float], np.ndarray]] = {
    "energy": _energy, "max_probability": _probability, "margin": _margin, "bias": _bias,
}  # fmt: skip


@dataclass(frozen=True)
class Rule:
    """The decision rule; the default is none."""

    temperature: float = 1.0
    figure: str | None = None  # of `FIGURES`; None: nothing is refused
    threshold: float = 0.0  # below it a text is refused
    oos: int | None = None  # index of the out-of-scope label; there must be one where a figure is

    @classmethod
    def of(cls, described: dict[str, Any] | None, oos: int | None) -> "Rule":
        """As `classifier.json` has it. Raises ValueError or TypeError when that is no rule."""
        rule = cls(**(described or {}), oos=oos)
        if rule.figure is not None and (rule.figure not in FIGURES or oos is None):
            raise ValueError(f"no such decision rule: {described}, out-of-scope label {oos}")
        if not rule.temperature > 0:
            raise ValueError(f"a decision rule with temperature {rule.temperature}")
        return rule

    @property
    def plain(self) -> bool:
        """Whether the answer is the label with the largest logit, and the score its softmax probability."""
        return self.figure is None and self.temperature == 1.0

    def described(self) -> dict[str, Any]:
        """For `classifier.json`."""
        return {"temperature": self.temperature, "figure": self.figure, "threshold": self.threshold}

    def figures(self, logits: np.ndarray) -> np.ndarray:
        """The figure that is compared with the threshold, of logits float (n, n_labels): float64 (n,)."""
        assert self.figure is not None and self.oos is not None
        wide = logits.astype(np.float64)
        return FIGURES[self.figure](np.delete(wide, self.oos, axis=1), wide[:, self.oos], self.temperature)

    def answer(self, logits: np.ndarray) -> Answers:
        """The answers to logits, float (n, n_labels).

        The score is the softmax probability of the label at the rule's temperature; that of a refusal is what is left beside
        the best in-scope label, 1 - its probability: how sure it is that none of them fits.
        """
        probabilities = _softmax(logits.astype(np.float64) / self.temperature)
        if self.figure is None or self.oos is None:
            labels = logits.argmax(axis=1).astype(np.int64)
            return Answers(labels, probabilities.max(axis=1), np.zeros(len(labels), dtype=bool))
        inside = probabilities.copy()
        inside[:, self.oos] = -1.0
        labels, best = inside.argmax(axis=1).astype(np.int64), inside.max(axis=1)
        refused = self.figures(logits) < self.threshold
        return Answers(np.where(refused, self.oos, labels), np.where(refused, 1 - best, best), refused)


def _softmax(logits: np.ndarray) -> np.ndarray:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    softmax: np.ndarray = shifted / shifted.sum(axis=1, keepdims=True)
    return softmax
