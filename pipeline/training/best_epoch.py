"""`BestEpoch`: the metric by which the best epoch is chosen, and how much that choice flatters the epoch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from transformers import EvalPrediction

from pipeline.config.backbone import LOSS
from pipeline.runtimes.crossfit import selection_optimism
from pipeline.tasks import Task

ANSWERS, LOSSES = "eval_answers", "eval_losses"  # keys of an entry in the log: of each text, in hexadecimal


@dataclass(frozen=True)
class BestEpoch:
    """Computes an epoch's metrics; the Trainer keeps them in its log."""

    task: Task
    metric: str  # one of `task.scores`, or the loss
    label_smoothing: float = 0.0  # of the validation loss

    def kept(self, logits: Any, targets: Any) -> Any:
        """What is kept of a batch: its answers, and where the loss chooses the loss of each text too.

        logits: a tensor (n, labels), or a tuple that begins with it. Of a large split the logits would need much memory.
        """
        own = logits[0] if isinstance(logits, tuple) else logits
        answers = self.task.answer(own)
        return (answers, self.task.losses(own, targets, None, self.label_smoothing)) if self.metric == LOSS else answers

    def __call__(self, outcome: EvalPrediction) -> dict[str, Any]:
        """Accuracy, the metric that ranks and the one that chooses, from what was kept; the loss is the Trainer's."""
        kept = outcome.predictions if isinstance(outcome.predictions, tuple) else (outcome.predictions,)
        answers, truth = kept[0], outcome.label_ids.astype(kept[0].dtype)
        found: dict[str, Any] = {
            name: self.task.score(name, answers, truth)
            for name in dict.fromkeys(("accuracy", self.task.best_by, self.metric))
            if name != LOSS
        }
        found["answers"] = _packed(answers)
        return found | ({"losses": kept[1].astype(np.float32).tobytes().hex()} if self.metric == LOSS else {})

    def optimism_pp(self, history: Sequence[Mapping[str, Any]], truth: np.ndarray) -> float:
        """How many points of `task.best_by` the epoch looks better on the texts that chose it than on others.

        history: the Trainer's log; truth: an array of the task, in the order in which the texts were evaluated.
        """
        answers = [_unpacked(entry[ANSWERS], truth) for entry in history if ANSWERS in entry]
        losses = [np.frombuffer(bytes.fromhex(entry[LOSSES]), np.float32) for entry in history if LOSSES in entry]
        parts = np.stack([self.task.parts_of(each, truth) for each in answers])
        return 100 * selection_optimism(parts, truth, self.task.score_of, self._rank(answers, losses, truth))

    def _rank(
        self, answers: Sequence[np.ndarray], losses: Sequence[np.ndarray], truth: np.ndarray
    ) -> Callable[[np.ndarray], np.ndarray] | None:
        """The metric of each epoch on some texts, larger is better; None for the one that ranks anyway."""
        if self.metric == self.task.best_by:
            return None
        if self.metric == LOSS:
            return lambda texts: np.array([-epoch[texts].mean() for epoch in losses])
        return lambda texts: np.array([self.task.score(self.metric, epoch[texts], truth[texts]) for epoch in answers])


def _packed(answers: np.ndarray) -> str:
    """Answers in few bytes: a bit a decision about a label, or an index."""
    small = np.packbits(answers) if answers.dtype == bool else answers.astype(np.uint32)
    return small.tobytes().hex()


def _unpacked(text: str, truth: np.ndarray) -> np.ndarray:
    """The reverse, for answers of the same shape as `truth`."""
    content = bytes.fromhex(text)
    if truth.dtype == bool:
        return np.unpackbits(np.frombuffer(content, np.uint8), count=truth.size).astype(bool).reshape(truth.shape)
    return np.frombuffer(content, np.uint32).astype(truth.dtype)
