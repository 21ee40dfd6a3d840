"""Distillation: a small network learns from a large one's logits as well as from the labels (Hinton et al. 2015).

Teacher logits are given as an array, one row a text of the transfer set: they are computed once, not at every step. What
else may be learned of a teacher, hidden states and relations between tokens, is computed when needed, so it takes longer.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from pipeline.errors import OptimizationError
from pipeline.structure import layers

Batch = Mapping[str, torch.Tensor]


def loss(
    student: torch.Tensor, teacher: torch.Tensor, labels: torch.Tensor, alpha: float, temperature: float
) -> torch.Tensor:
    """alpha * CE(student, labels) + (1 - alpha) * T^2 * KL(teacher / T || student / T), the mean over the batch.

    student, teacher: logits, float32 (n, labels); labels: int64 (n,), -100 where there is none: then CE is 0. Hinton,
    Vinyals, Dean 2015, section 2: T^2 keeps the weight of the soft targets the same whatever T is.
    """
    soft = F.kl_div(
        F.log_softmax(student / temperature, dim=-1),
        F.log_softmax(teacher / temperature, dim=-1),
        reduction="batchmean",
        log_target=True,
    )
    hard = F.cross_entropy(student, labels, reduction="sum") / len(labels)
    return alpha * hard + (1 - alpha) * temperature**2 * soft


class Distillation:
    """The loss, for training: logits, and as options a teacher's hidden states and its last layer's relations."""

    def __init__(self, teacher_logits: np.ndarray, alpha: float, temperature: float) -> None:
        """teacher_logits: float32 (texts, labels)."""
        self._stored = torch.from_numpy(teacher_logits)
        self._alpha, self._temperature = alpha, temperature
        self._teacher: Any = None
        self._hidden = self._relations = 0.0
        self._seen: dict[str, list[torch.Tensor]] = {}
        self._hooks: list[Any] = []
        self._heads = 1
        self.asks: dict[str, bool] = {}  # what the network shall give besides logits

    def also(self, student: Any, teacher: Any, hidden: float, relations: float) -> "Distillation":
        """With the weights of the two further losses. Raises OptimizationError where the two networks don't go together."""
        self._hidden, self._relations, self._teacher = hidden, relations, teacher.eval().requires_grad_(False)
        if hidden:
            if student.config.hidden_size != teacher.config.hidden_size:
                raise OptimizationError("hidden: student and teacher have hidden states of different widths; set hidden=0")
            self.asks = {"output_hidden_states": True}
        if relations:
            self._watch(student, teacher)
        return self

    def _watch(self, student: Any, teacher: Any) -> None:
        lasts = {"student": layers(student)[-1:], "teacher": layers(teacher)[-1:]}
        if not all(lasts.values()):
            raise OptimizationError("relations: only for networks that are built like BERT or DistilBERT; set relations=0")
        self._heads = lasts["teacher"][0].heads
        for name, (last,) in lasts.items():
            parts = [last.part(part) for part in (last.kind.query, last.kind.key, last.kind.value)]
            if any(part.out_features % self._heads for part in parts):
                raise OptimizationError(f"relations: the student's width is no multiple of {self._heads}; set relations=0")
            self._hooks += [part.register_forward_hook(self._keep(name)) for part in parts]

    def _keep(self, name: str) -> Any:
        def hook(module: Any, inputs: Any, output: torch.Tensor) -> None:
            if name == "teacher" or torch.is_grad_enabled():  # between epochs a student is only asked
                self._seen.setdefault(name, []).append(output)

        return hook

    def close(self) -> None:
        """Leave the networks as they were."""
        for hook in self._hooks:
            hook.remove()

    def __call__(self, outputs: Any, inputs: Batch, labels: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """The loss of a batch: what the student gave for `inputs`; labels and places in the set, both int64 (n,)."""
        logits = outputs.logits.float()
        own, self._seen = self._seen.get("student", []), {}
        total = loss(logits, self._stored[rows.cpu()].to(logits.device), labels, self._alpha, self._temperature)
        if self._teacher is None:
            return total
        with torch.no_grad():
            theirs = self._teacher.to(logits.device)(**inputs, **self.asks)
        mask = inputs["attention_mask"].bool()
        if self._hidden:
            total = total + self._hidden * hidden_loss(outputs.hidden_states, theirs.hidden_states, mask)
        if self._relations:
            total = total + self._relations * relation_loss(own, self._seen.pop("teacher"), mask, self._heads)
        return total


def hidden_loss(student: Any, teacher: Any, mask: torch.Tensor) -> torch.Tensor:
    """The mean squared difference of hidden states, summed over embeddings and layers (Jiao et al. 2020, equation 8).

    student, teacher: hidden states, each (n, length, width), of the embeddings and of each layer; mask bool (n, length).
    Layer i of s layers learns from layer i * t / s of the teacher's t, so the widths must be the same. Where pooling has
    made one vector of the last states, (n, 1, width), texts are compared there instead of tokens.
    """
    own, theirs = len(student) - 1, len(teacher) - 1
    pairs = [(student[i], teacher[round(i * theirs / own)]) for i in range(own + 1)]
    return torch.stack([_difference(one.float(), other.float(), mask) for one, other in pairs]).sum()


def _difference(one: torch.Tensor, other: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    if one.shape[1] == other.shape[1] == mask.shape[1]:
        return F.mse_loss(one[mask], other[mask])
    return F.mse_loss(_of_texts(one, mask), _of_texts(other, mask))


def _of_texts(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """What pooling has made of hidden states, or their mean where it has not: (n, width)."""
    if states.shape[1] == 1:
        return states[:, 0]
    counts = mask.unsqueeze(-1).to(states.dtype)
    return (states * counts).sum(1) / counts.sum(1)


def relation_loss(student: list[torch.Tensor], teacher: list[torch.Tensor], mask: torch.Tensor, heads: int) -> torch.Tensor:
    """KL between how tokens relate to each other: queries, keys and values (Wang et al. 2021, MiniLMv2, equations 4 and 5).

    Each of the three (n, length, width), widths may differ, both are multiples of `heads`; mask bool (n, length). The mean
    over the three, heads and tokens.
    """
    parts = [
        F.kl_div(_relations(one, mask, heads), _relations(other, mask, heads), reduction="none", log_target=True)
        .masked_fill(~(mask[:, None, :, None] & mask[:, None, None, :]), 0.0)
        .sum()
        for one, other in zip(student, teacher, strict=True)
    ]
    return torch.stack(parts).mean() / (heads * mask.sum())


def _relations(states: torch.Tensor, mask: torch.Tensor, heads: int) -> torch.Tensor:
    """Log-probabilities (n, heads, length, length): of each token, how it relates to the others."""
    split = states.float().reshape(*states.shape[:2], heads, -1).transpose(1, 2)
    scores = split @ split.transpose(2, 3) / split.shape[-1] ** 0.5
    return F.log_softmax(scores.masked_fill(~mask[:, None, None, :], -1e4), dim=-1)
