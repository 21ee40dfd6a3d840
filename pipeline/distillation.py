"""Distillation: a small network learns from a large one's logits as well as from the labels (Hinton et al. 2015).

Teacher logits are given as an array, one row a text of the train split: they are computed once, not at every step.
"""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from pipeline.errors import OptimizationError
from pipeline.training import Objective


def loss(
    student: torch.Tensor, teacher: torch.Tensor, labels: torch.Tensor, alpha: float, temperature: float
) -> torch.Tensor:
    """alpha * CE(student, labels) + (1 - alpha) * T^2 * KL(teacher / T || student / T), the mean over the batch.

    student, teacher: logits, float32 (n, labels); labels: int64 (n,). Hinton, Vinyals, Dean 2015, section 2: T^2 keeps the
    weight of the soft targets the same whatever T is.
    """
    hard = F.cross_entropy(student, labels)
    soft = F.kl_div(
        F.log_softmax(student / temperature, dim=-1),
        F.log_softmax(teacher / temperature, dim=-1),
        reduction="batchmean",
        log_target=True,
    )
    return alpha * hard + (1 - alpha) * temperature**2 * soft


def objective(teacher_logits: np.ndarray, alpha: float, temperature: float) -> Objective:
    """The loss, for training: teacher_logits is float32 (texts of the train split, labels)."""
    stored = torch.from_numpy(teacher_logits)

    def distil(logits: torch.Tensor, labels: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        return loss(logits, stored[rows.cpu()].to(logits.device), labels, alpha, temperature)

    return distil


def shallower(model: Any, layers: Sequence[int] | None) -> Any:
    """A copy of an encoder with some of its layers, counted from 0; None: every second one, the last among them.

    Embeddings, pooler and head stay as they are, so the student starts with what the fine-tuned teacher knows.
    Raises OptimizationError when the network has no such layers.
    """
    student = copy.deepcopy(model)
    stack = layer_stack(student)
    count = len(stack.layer)
    kept = sorted(layers) if layers is not None else list(range(count - 1, -1, -2))[::-1]
    wrong = [number for number in kept if not 0 <= number < count]
    if wrong or not kept or len(set(kept)) < len(kept):
        raise OptimizationError(
            f"layers={list(kept)}: choose different ones of 0 to {count - 1}; the teacher has {count} layers, counted from 0"
        )
    stack.layer = torch.nn.ModuleList(stack.layer[number] for number in kept)
    student.config.num_hidden_layers = len(kept)
    return student


def layer_stack(model: Any) -> Any:
    """The module whose `layer` is the list of encoder layers (BERT, RoBERTa, MiniLM, DistilBERT, ELECTRA and the like)."""
    for name in ("encoder", "transformer"):
        stack = getattr(model.base_model, name, None)
        if isinstance(getattr(stack, "layer", None), torch.nn.ModuleList):
            return stack
    raise OptimizationError(f"a network of type {model.config.model_type!r} keeps its layers elsewhere than BERT does")
