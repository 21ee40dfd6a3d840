"""Students made from a larger network: fewer layers, or fewer heads and neurons, with the larger one's weights.

Not here: how they are trained (`training/`), and a BERT's student as a DistilBERT (`distilbert.py`).
"""

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from pipeline.errors import OptimizationError
from pipeline.models.architectures import Architecture
from pipeline.models.layers import layer_list, required
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

    Embeddings, pooler and head are copied, so the student starts with the fine-tuned teacher's weights. Where all layers
    are one (ALBERT), it runs as often as layers are kept. Raises OptimizationError when the network has no such layers.
    """
    kind = required(model)
    if getattr(model.config, "num_hidden_groups", 1) != 1:
        raise OptimizationError("a student can't be made of an ALBERT with several groups of layers (num_hidden_groups)")
    kept = layers_to_keep(depth_of(model), layers, depth)
    student = copy.deepcopy(model)
    if not kind.shared:
        parent, _, name = kind.layers.rpartition(".")
        every = layer_list(student)
        setattr(student.base_model.get_submodule(parent), name, torch.nn.ModuleList(every[number] for number in kept))
    for setting in kind.per_layer:
        entries = getattr(student.config, setting)
        setattr(student.config, setting, [entries[number] for number in kept])
    student.config.num_hidden_layers = len(kept)
    if kind.first_norm:
        _fold_first_norm(student, kind)
    return student


def depth_of(model: Any) -> int:
    """How many layers a text goes through."""
    return int(model.config.num_hidden_layers)


def _fold_first_norm(student: Any, kind: Architecture) -> None:
    """Leave out the norm that this family's first layer does not have, with its weights in the matrix behind it."""
    first = layer_list(student)[0]
    norm, matrix = getattr(first, kind.first_norm), first.get_submodule(kind.heads[0].name)
    if isinstance(norm, torch.nn.Identity):
        return
    with torch.no_grad():
        if norm.bias is not None and matrix.bias is not None:
            matrix.bias += matrix.weight @ norm.bias
        matrix.weight *= norm.weight
    setattr(first, kind.first_norm, torch.nn.Identity())


def every_second_layer(teacher: Any) -> Any:
    """The student of the book: layers 0, 2, 4, ... of its teacher; of a BERT as a DistilBERT, else of the same family.

    Raises OptimizationError where it is not known where the layers are.
    """
    from pipeline.models.distilbert import distilbert_from

    if teacher.config.model_type == "bert":
        return distilbert_from(teacher)
    return student_from_layers(teacher, range(0, depth_of(teacher), 2))


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


def prune_by_importance(
    model: Any, batches: Iterator[dict[str, Any]], heads_kept: float, neurons_kept: float, task: Task = SINGLE_LABEL
) -> None:
    """Remove the least important heads and feed-forward neurons, judged on some batches (`units.importance`).

    Raises OptimizationError as `units.require_units` does.
    """
    from pipeline.models.units import importance, prune, require_units, select

    require_units(model, heads_kept, neurons_kept)
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
