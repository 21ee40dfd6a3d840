"""Students made from a larger network: fewer layers, or fewer heads and neurons, with the larger one's weights.

Not here: how they are trained (`training/`), and DistilBERT's own form (`build.distilbert_from`).
"""

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from pipeline.errors import OptimizationError
from pipeline.models.long_texts import LongTexts
from pipeline.models.token_types import ARGUMENT, kind_for
from pipeline.tasks import SINGLE_LABEL, Task
from pipeline.tasks.base import LABEL
from pipeline.tasks.inputs import columns_of, inputs_of

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
    kept = layers_to_keep(len(stack.layer), layers, depth)
    stack.layer = torch.nn.ModuleList(stack.layer[number] for number in kept)
    student.config.num_hidden_layers = len(kept)
    return student


def layers_to_keep(count: int, layers: Sequence[int] | None, depth: int | None) -> list[int]:
    """Which of a teacher's `count` layers a student gets, see `student_from_layers`."""
    if layers is not None:
        kept = sorted(layers)
    else:
        kept = evenly_spaced_layers(min(depth, count), count) if depth else list(range(count - 1, -1, -2))[::-1]
    wrong = [number for number in kept if not 0 <= number < count]
    if wrong or not kept or len(set(kept)) < len(kept):
        raise OptimizationError(
            f"layers={list(kept)}: choose different ones of 0 to {count - 1}; the teacher has {count} layers, counted from 0"
        )
    return kept


def require_heads_and_neurons(model: Any) -> None:
    """Raises OptimizationError unless heads and neurons can be removed: in the layers of BERT or DistilBERT, as matrices."""
    from pipeline.models.architecture import layers

    found = layers(model)
    if not found:
        raise OptimizationError(
            f"heads and neurons can't be removed from a network of type {model.config.model_type!r}, only from one with the "
            "layers of BERT or DistilBERT"
        )
    matrices = [layer.part(part) for layer in found for part in (layer.kind.inner, layer.kind.outer)]
    if not all(isinstance(matrix, torch.nn.Linear) for matrix in matrices):
        raise OptimizationError(
            "neurons can't be removed from feed-forward matrices that are factorized; put low_rank after this step"
        )


def layer_stack(model: Any) -> Any:
    """The module whose `layer` is the list of encoder layers (BERT, RoBERTa, MiniLM, DistilBERT, ELECTRA and the like)."""
    for name in ("encoder", "transformer"):
        stack = getattr(model.base_model, name, None)
        if isinstance(getattr(stack, "layer", None), torch.nn.ModuleList):
            return stack
    raise OptimizationError(f"a network of type {model.config.model_type!r} has its layers elsewhere than BERT")


def prune_by_importance(
    model: Any, batches: Iterator[dict[str, Any]], heads_kept: float, neurons_kept: float, task: Task = SINGLE_LABEL
) -> None:
    """Remove the least important heads and feed-forward neurons, judged on some batches (`architecture.importance`).

    Raises OptimizationError when the network does not have the layers of BERT or DistilBERT.
    """
    from pipeline.models.architecture import importance, prune, select

    require_heads_and_neurons(model)
    prune(model, select(importance(model, batches, task), heads_kept, neurons_kept))


def sample_batches(
    model: Any, tokenizer: Any, train: Any, count: int, max_length: int, seed: int, task: Task = SINGLE_LABEL,
    labels: int = 0,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """`count` inputs of a split, drawn at random, as batches of tensors: what `model` takes, and labels."""
    types = kind_for(model, tokenizer, task.pairs)
    names = ["input_ids", "attention_mask", *([ARGUMENT] if types else [])]
    count, long_texts = min(count, len(train)), LongTexts(tokenizer.backend_tokenizer, max_length)
    rows = np.random.default_rng(seed).choice(len(train), count, replace=False)
    for start in range(0, count, BATCH_SIZE):
        batch = train[rows[start : start + BATCH_SIZE]]
        given = long_texts.cut(inputs_of(batch), tokenizer.truncation_side)
        encoded = tokenizer(
            *columns_of(given).values(), padding=True, truncation="longest_first", max_length=max_length,
            return_tensors="pt", return_token_type_ids=True,
        )  # fmt: skip
        targets = torch.from_numpy(task.targets(batch[LABEL], labels))
        yield {**{name: encoded[name] for name in names}, "labels": targets}
