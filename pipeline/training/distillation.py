"""Distillation: a small network learns from a large one's logits as well as from the labels (Hinton et al. 2015).

Teacher logits are an array with one row for each text of the transfer set; they are computed once, not at every step. The
teacher's hidden states and relations between tokens are optional further targets. They need the teacher during training, so
they take longer. Hidden states are cached while memory allows, so that later epochs do not need the teacher. A cached state
comes from the batch in which its text occurred first: its last bits may differ after an interruption or with less memory.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from pipeline.errors import OptimizationError
from pipeline.models.architectures import unknown
from pipeline.models.layers import Layer, layers
from pipeline.system.cores import free_memory
from pipeline.tasks import SINGLE_LABEL, Task

Batch = Mapping[str, torch.Tensor]
States = list[torch.Tensor]  # hidden states of one text, one (length, hidden size) a layer; (1, hidden size) if pooled
MAX_CACHE_BYTES = 4 * 2**30  # bytes
MAX_MEMORY_SHARE = 0.25  # of the free memory


class Distillation:
    """The loss of a training: on logits, and optionally on the teacher's hidden states and its last layer's relations."""

    def __init__(
        self, teacher_logits: np.ndarray, alpha: float, temperature: float, task: Task = SINGLE_LABEL,
        weights: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        """teacher_logits: float32 (texts, labels); weights: float32 (labels,), see `Task.losses`."""
        self._teacher_logits = torch.from_numpy(teacher_logits)
        self._alpha, self._temperature, self._task = alpha, temperature, task
        self._weights = None if weights is None else torch.from_numpy(weights)
        self._teacher: Any = None
        self._hidden = self._relations = 0.0
        self._recorded: dict[str, list[list[torch.Tensor]]] = {}
        self._lasts: dict[str, Layer] = {}
        self._hooks: list[Any] = []
        self._heads = 1
        self._cache = HiddenStateCache(0)
        self._teacher_ids: torch.Tensor | None = None
        self.forward_arguments: dict[str, bool] = {}  # arguments for the student's forward

    def add_layer_losses(
        self, student: Any, teacher: Any, hidden: float, relations: float, ids: torch.Tensor | None = None
    ) -> "Distillation":
        """Add the losses on hidden states and on relations, with these weights; returns itself.

        ids: the result of `map_token_ids`; None if both networks have the same vocabulary. Raises OptimizationError when
        the two networks do not fit together.
        """
        self._teacher_ids = ids
        self._hidden, self._relations, self._teacher = hidden, relations, teacher.eval().requires_grad_(False)
        if hidden:
            if student.config.hidden_size != teacher.config.hidden_size:
                raise OptimizationError("student and teacher have different hidden sizes; set hidden_loss_weight=0")
            self.forward_arguments = {"output_hidden_states": True}
            self._cache = HiddenStateCache(int(min(MAX_CACHE_BYTES, MAX_MEMORY_SHARE * free_memory())))
        if relations:
            self._hook_last_layers(student, teacher)
        return self

    def _hook_last_layers(self, student: Any, teacher: Any) -> None:
        for name, network in (("student", student), ("teacher", teacher)):
            found = layers(network)
            if not found:
                raise OptimizationError(f"relations: {unknown(network.config)}; set relation_loss_weight=0")
            self._lasts[name] = found[-1]
        self._heads = self._lasts["teacher"].heads
        for name, last in self._lasts.items():
            if last.width % self._heads:
                raise OptimizationError(
                    f"the student's hidden size is not a multiple of {self._heads} heads; set relation_loss_weight=0"
                )
            self._hooks += [
                part.register_forward_hook(self._recorder(name, place)) for place, part in enumerate(last.projections)
            ]

    def _recorder(self, name: str, place: int) -> Any:
        def hook(module: Any, inputs: Any, output: torch.Tensor) -> None:
            if name == "teacher" or torch.is_grad_enabled():  # validation, between epochs, needs no record
                calls = self._recorded.setdefault(name, [[] for _ in self._lasts[name].projections])
                calls[place].append(output)

        return hook

    def _projected(self, name: str) -> list[torch.Tensor]:
        """Queries, keys and values, (n, length, width), of the last layer; DeBERTa projects positions after the tokens."""
        last = self._lasts[name]
        call = -1 if last.kind.shared else 0
        return last.queries_keys_values([calls[call] for calls in self._recorded.pop(name)])

    def close(self) -> None:
        """Remove the hooks from the networks."""
        for hook in self._hooks:
            hook.remove()

    def __call__(self, outputs: Any, inputs: Batch, labels: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """The loss of a batch: the student's outputs for `inputs`; targets, and rows in the transfer set, int64 (n,)."""
        logits = outputs.logits.float()
        own = self._projected("student") if "student" in self._recorded else []
        self._recorded = {}
        teacher = self._teacher_logits[rows.cpu()].to(logits.device)
        weights = None if self._weights is None else self._weights.to(logits.device)
        total: torch.Tensor = self._task.distillation_loss(logits, teacher, labels, self._alpha, self._temperature, weights)
        if self._teacher is None:
            return total
        mask = inputs["attention_mask"].bool()
        if self._relations:
            states = self._run_teacher(inputs).hidden_states
            total = total + self._relations * relation_loss(own, self._projected("teacher"), mask, self._heads)
        if self._hidden:
            count = len(outputs.hidden_states)
            if self._relations:
                theirs = split_by_text(evenly_spaced_states(states, count), mask)
            else:
                theirs = self._cache.get(rows.tolist(), lambda missing: self._teacher_states(inputs, missing, count))
            total = total + self._hidden * hidden_loss(outputs.hidden_states, theirs, mask)
        return total

    def _run_teacher(self, inputs: Batch) -> Any:
        ids = inputs["input_ids"]
        if self._teacher_ids is not None:
            ids = self._teacher_ids.to(ids.device)[ids]
        with torch.no_grad():
            return self._teacher.to(ids.device)(**{**inputs, "input_ids": ids}, **self.forward_arguments)

    def _teacher_states(self, inputs: Batch, texts: Sequence[int], count: int) -> list[States]:
        """The teacher's hidden states for some texts of a batch, as many as the student has (`count`)."""
        part = {name: value[list(texts)] for name, value in inputs.items()}
        return split_by_text(
            evenly_spaced_states(self._run_teacher(part).hidden_states, count), part["attention_mask"].bool()
        )


def map_token_ids(student: Mapping[str, int], teacher: Mapping[str, int]) -> torch.Tensor | None:
    """The teacher's token id for each of the student's: int64 (student's vocabulary size,); None if they are the same.

    Both vocabularies are piece -> id. Raises OptimizationError when the teacher lacks one of the student's pieces.
    """
    if student == teacher:
        return None
    if not student.keys() <= teacher.keys():
        raise OptimizationError("the teacher has another vocabulary; set hidden_loss_weight=0 and relation_loss_weight=0")
    ids = torch.zeros(max(student.values()) + 1, dtype=torch.int64)
    for piece, own in student.items():
        ids[own] = teacher[piece]
    return ids


class HiddenStateCache:
    """A teacher's hidden states by row of the transfer set, for as many texts as fit into memory."""

    def __init__(self, room: int) -> None:
        """room: bytes."""
        self._free_bytes, self._states = room, dict[int, States]()

    def get(self, rows: Sequence[int], compute: Callable[[list[int]], list[States]]) -> list[States]:
        """The states of these rows. `compute` gets the positions in `rows` that are not cached, and returns their states."""
        missing = [place for place, row in enumerate(rows) if row not in self._states]
        new = dict(zip((rows[place] for place in missing), compute(missing), strict=True)) if missing else {}
        for row, states in new.items():
            size = sum(state.numel() * state.element_size() for state in states)
            if size <= self._free_bytes:
                self._states[row], self._free_bytes = [state.cpu() for state in states], self._free_bytes - size
        return [new.get(row) or self._states[row] for row in rows]


def evenly_spaced_states(states: Sequence[torch.Tensor], count: int) -> list[torch.Tensor]:
    """`count` of a teacher's hidden states, evenly spaced, from its embeddings to its last layer."""
    return [states[round(i * (len(states) - 1) / (count - 1))] for i in range(count)]


def split_by_text(states: Sequence[torch.Tensor], mask: torch.Tensor) -> list[States]:
    """Split the hidden states of a batch into those of each text, without padding.

    states: one tensor a layer, (n, length, hidden size) or, if pooled, (n, 1, hidden size); mask: bool (n, length).
    """
    counts = mask.sum(dim=1).tolist()
    parts = [torch.split(state[mask], counts) if state.shape[1] == mask.shape[1] else state.unbind() for state in states]
    return [list(text) for text in zip(*parts, strict=True)]


def hidden_loss(student: Sequence[torch.Tensor], teacher: list[States], mask: torch.Tensor) -> torch.Tensor:
    """The mean squared difference of hidden states, summed over embeddings and layers (Jiao et al. 2020, equation 8).

    student: one tensor for the embeddings and one for each layer, (n, length, hidden size); mask: bool (n, length).
    teacher: for each of the n texts the matching states: layer i of the student's s layers learns from layer i * t / s of
    the teacher's t. Pooled states, (n, 1, hidden size), are compared text by text instead of token by token.
    """
    layers_of_teacher = [list(layer) for layer in zip(*teacher, strict=True)]
    pairs = zip(student, layers_of_teacher, strict=True)
    return torch.stack([_difference(one.float(), other, mask) for one, other in pairs]).sum()


def _difference(one: torch.Tensor, other: States, mask: torch.Tensor) -> torch.Tensor:
    tokens = torch.cat([text.to(one.device) for text in other]).float()
    if one.shape[1] == mask.shape[1] and len(tokens) == mask.sum():
        return F.mse_loss(one[mask], tokens)
    vectors = torch.stack([text.to(one.device).float().mean(dim=0) for text in other])
    return F.mse_loss(_pooled(one, mask), vectors)


def _pooled(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """One vector for each text, (n, hidden size): the pooled state, or the mean over its tokens."""
    if states.shape[1] == 1:
        return states[:, 0]
    counts = mask.unsqueeze(-1).to(states.dtype)
    return (states * counts).sum(1) / counts.sum(1)


def relation_loss(student: list[torch.Tensor], teacher: list[torch.Tensor], mask: torch.Tensor, heads: int) -> torch.Tensor:
    """KL divergence of the relations between tokens, of queries, keys and values (MiniLMv2, Wang et al. 2021, eq. 4 and 5).

    student, teacher: three tensors each, (n, length, width); widths may differ and are multiples of `heads`.
    mask: bool (n, length). Returns the mean over the three, heads and tokens.
    """
    parts = [
        F.kl_div(
            _relation_log_probabilities(one, mask, heads),
            _relation_log_probabilities(other, mask, heads),
            reduction="none",
            log_target=True,
        )
        .masked_fill(~(mask[:, None, :, None] & mask[:, None, None, :]), 0.0)
        .sum()
        for one, other in zip(student, teacher, strict=True)
    ]
    return torch.stack(parts).mean() / (heads * mask.sum())


def _relation_log_probabilities(states: torch.Tensor, mask: torch.Tensor, heads: int) -> torch.Tensor:
    """Log-probabilities, (n, heads, length, length): the softmax over all tokens of their scaled products with one."""
    split = states.float().reshape(*states.shape[:2], heads, -1).transpose(1, 2)
    scores = split @ split.transpose(2, 3) / split.shape[-1] ** 0.5
    return F.log_softmax(scores.masked_fill(~mask[:, None, None, :], -1e4), dim=-1)
