"""`BestEpoch`: the metric by which the best epoch is chosen, and how much that choice flatters the epoch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from transformers import EvalPrediction

from pipeline.runtimes.crossfit import selection_optimism
from pipeline.tasks.class_scores import balanced_accuracy, f1_macro
from pipeline.tasks.single_label import answer
from pipeline.training.history import RIGHT, accuracy, logits_of

BASIS = "eval_basis"  # key of an entry in the log: of each text what the metric is computed from, in hexadecimal
Score = Callable[[np.ndarray, np.ndarray], float]
BY_CLASS: dict[str, Score] = {"f1_macro": f1_macro, "balanced_accuracy": balanced_accuracy}


@dataclass(frozen=True)
class BestEpoch:
    """Computes an epoch's metrics; the Trainer keeps them in its log."""

    metric: str  # one of `pipeline.config.backbone.BEST_BY`
    label_smoothing: float = 0.0  # of the validation loss

    def __call__(self, outcome: EvalPrediction) -> dict[str, Any]:
        """Accuracy and, where another metric chooses, that metric with its basis; the loss itself is the Trainer's."""
        found, logits, truth = accuracy(outcome), logits_of(outcome), outcome.label_ids
        if self.metric in BY_CLASS:
            answers = answer(logits)
            found |= {self.metric: BY_CLASS[self.metric](answers, truth), "basis": _packed(answers)}
        elif self.metric == "loss":
            found |= {"basis": _packed(smoothed_losses(logits, truth, self.label_smoothing))}
        return found

    def optimism_pp(self, history: Sequence[Mapping[str, Any]], truth: np.ndarray) -> float:
        """How many points of accuracy the epoch looks better on the texts that chose it by this metric than on others.

        history: the Trainer's log; truth: int64 (n,), in the order in which they were evaluated.
        """
        packed = b"".join(bytes.fromhex(entry[RIGHT]) for entry in history if RIGHT in entry)
        bits = np.frombuffer(packed, np.uint8).reshape(-1, (len(truth) + 7) // 8)
        right = np.unpackbits(bits, axis=1, count=len(truth)).astype(bool)
        basis = [_unpacked(entry[BASIS]) for entry in history if BASIS in entry]
        return 100 * selection_optimism(right, truth, self._rank(np.array(basis), truth))

    def _rank(self, basis: np.ndarray, truth: np.ndarray) -> Callable[[np.ndarray], np.ndarray] | None:
        """The metric of each epoch on some texts, larger is better; None for accuracy. basis: float32 (epochs, n)."""
        if self.metric in BY_CLASS:
            score, answers = BY_CLASS[self.metric], basis.astype(np.int64)
            return lambda texts: np.array([score(epoch[texts], truth[texts]) for epoch in answers])
        if self.metric == "loss":
            return lambda texts: np.array(-basis[:, texts].mean(axis=1))
        return None


def smoothed_losses(logits: np.ndarray, truth: np.ndarray, smoothing: float) -> np.ndarray:
    """The cross-entropy of each text with label smoothing, as transformers' LabelSmoother: float64 (n,).

    logits: float (n, labels); truth: int64 (n,).
    """
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    surprise = np.log(np.exp(shifted).sum(axis=1, keepdims=True)) - shifted
    own: np.ndarray = surprise[np.arange(len(truth)), truth]
    losses: np.ndarray = (1 - smoothing) * own + smoothing * surprise.mean(axis=1)
    return losses


def _packed(values: np.ndarray) -> str:
    return values.astype(np.float32).tobytes().hex()


def _unpacked(text: str) -> np.ndarray:
    return np.frombuffer(bytes.fromhex(text), np.float32)
