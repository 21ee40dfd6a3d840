"""The decision rule of a classifier with several labels a text: each label is given where its probability is high enough.

The probability is the sigmoid of logit / temperature. Without a rule the threshold is 0.5. A fitted rule has one threshold
for all labels, or one for each.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.tasks.base import Answers, DecisionRule

HALF = 0.5


@dataclass(frozen=True)
class Thresholds(DecisionRule):
    """The decision rule. The default changes nothing: probabilities of at least 0.5."""

    thresholds: tuple[float, ...] = (HALF,)  # of probabilities: one for all labels, or one a label

    @classmethod
    def of(cls, described: Mapping[str, Any] | None) -> "Thresholds":
        """The rule as stored in `classifier.json`. Raises ValueError or TypeError when it is not valid."""
        if described is None:
            return cls()
        rule = cls(float(described["temperature"]), tuple(map(float, described["thresholds"])))
        if not rule.temperature > 0 or not rule.thresholds:
            raise ValueError(f"not a valid decision rule: {dict(described)}")
        return rule

    @property
    def plain(self) -> bool:
        """Whether nothing was fitted."""
        return self == Thresholds()

    def described(self) -> dict[str, Any]:
        """For `classifier.json`."""
        return {"temperature": self.temperature, "thresholds": list(self.thresholds)}

    def metrics(self) -> dict[str, float]:
        """Temperature, and the mean threshold."""
        return {"temperature": self.temperature, "threshold": float(np.mean(self.thresholds))}

    def answer(self, logits: np.ndarray) -> Answers:
        """The labels of each text, bool (n, labels), and the probability of every label. It never abstains."""
        scores = probabilities(logits, self.temperature)
        return Answers(scores >= np.array(self.thresholds), scores, np.zeros(len(logits), dtype=bool))


def probabilities(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """The sigmoid of logits / temperature: float64, of the same shape."""
    with np.errstate(over="ignore"):
        found: np.ndarray = 1 / (1 + np.exp(-logits.astype(np.float64) / temperature))
    return found
