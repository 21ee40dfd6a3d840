"""Students made from a larger network: fewer layers, or fewer heads and neurons, with the larger one's weights.

Not here: how they are trained (`training/`), and DistilBERT's own form (`build.distilbert_from`).
"""

import copy
import logging
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from pipeline.errors import OptimizationError
from pipeline.tasks.single_label import LABEL, TEXT

log = logging.getLogger(__name__)
BATCH_SIZE = 32  # texts


def evenly_spaced_layers(depth: int, count: int) -> list[int]:
    """The layers, counted from 0, that a student of `depth` layers gets of `count`: evenly spaced, including the last."""
    return [round((number + 1) * count / depth) - 1 for number in range(depth)]


def student_from_layers(model: Any, layers: Sequence[int] | None, depth: int | None = None) -> Any:
    """A copy of an encoder with some of its layers, counted from 0, or `depth` of them; by default every second one.

    Embeddings, pooler and head are copied, so the student starts with the fine-tuned teacher's weights.
    Raises OptimizationError when the network has no such layers.
    """
    student = copy.deepcopy(model)
    stack = layer_stack(student)
    count = len(stack.layer)
    if depth is not None and depth > count:
        log.warning("warning: the teacher has only %d layers, so its student has no more, not the %d of depth", count, depth)
        depth = count
    if layers is not None:
        kept = sorted(layers)
    else:
        kept = evenly_spaced_layers(depth, count) if depth else list(range(count - 1, -1, -2))[::-1]
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
    raise OptimizationError(f"a network of type {model.config.model_type!r} has its layers elsewhere than BERT")


def prune_by_importance(model: Any, batches: Iterator[dict[str, Any]], heads_kept: float, neurons_kept: float) -> None:
    """Remove the least important heads and feed-forward neurons, judged on some batches (`architecture.importance`).

    Raises OptimizationError when the network does not have the layers of BERT or DistilBERT.
    """
    from pipeline.models.architecture import importance, layers, prune, select

    if not layers(model):
        raise OptimizationError(
            f"heads and neurons can't be removed from a network of type {model.config.model_type!r}, only from one with the "
            "layers of BERT or DistilBERT"
        )
    prune(model, select(importance(model, batches), heads_kept, neurons_kept))


def sample_batches(tokenizer: Any, train: Any, count: int, max_length: int, seed: int) -> Iterator[dict[str, Any]]:
    """`count` texts of a split, drawn at random, as batches of tensors: input_ids, attention_mask, labels."""
    count = min(count, len(train))
    rows = np.random.default_rng(seed).choice(len(train), count, replace=False)
    for start in range(0, count, BATCH_SIZE):
        batch = train[rows[start : start + BATCH_SIZE]]
        encoded = tokenizer(batch[TEXT], padding=True, truncation=True, max_length=max_length, return_tensors="pt")
        yield {**encoded, "labels": torch.tensor(batch[LABEL])}
