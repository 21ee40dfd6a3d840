"""Structured pruning: the importance of attention heads and feed-forward neurons, and networks without the others.

Removing a head or a neuron makes matrices smaller, so the network is faster on any runtime.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.errors import OptimizationError
from pipeline.models.fitting import fit
from pipeline.models.layers import KEPT_HEADS, layers, places, required, tensors_of
from pipeline.tasks import SINGLE_LABEL, Task

NEURONS_MULTIPLE = 8  # matrix kernels compute 8 or 16 columns at once; fewer columns take as long


@dataclass(frozen=True)
class Units:
    """Values for the heads and neurons of one layer, float (heads,) and (neurons,); or the indices that are kept, int64."""

    heads: Tensor
    neurons: Tensor


def importance(model: nn.Module, batches: Iterable[Mapping[str, Tensor]], task: Task = SINGLE_LABEL) -> list[Units]:
    """Importance of each head and neuron for the loss: the mean |dL/dg| over texts, normalised within each layer.

    g is a gate of 1 that multiplies the outputs of one head, or of one neuron after its activation (Michel et al. 2019,
    "Are Sixteen Heads Really Better than One?", equation 2); L is the loss of one text. The values of a layer are
    divided by their l2 norm, so that layers can be compared (section 4.1 there). A batch has what the network
    takes, such as input_ids, int64 (n, length), and labels (`Task.targets`). `model` is left in eval mode.
    """
    model.eval()
    gated: list[tuple[Any, int]] = []
    for layer in layers(model):
        gated += [(layer.part(layer.kind.mixed), layer.heads), (layer.part(layer.kind.outer), layer.neurons)]
    gates: dict[int, Tensor] = {}  # of one batch; a layer that runs several times has one
    hooks = [module.register_forward_pre_hook(_gate(gates, i, groups)) for i, (module, groups) in enumerate(gated)]
    sums = [torch.zeros(groups, dtype=torch.float64) for _, groups in gated]
    try:
        for batch in batches:
            gates.clear()
            logits = model(**{name: values for name, values in batch.items() if name != "labels"}).logits
            loss = task.losses(logits, batch["labels"]).sum()
            gradients = torch.autograd.grad(loss, [gates[i] for i in range(len(gated))])  # a row for each text
            for total, gradient in zip(sums, gradients, strict=True):
                total += gradient.abs().sum(0)
    finally:
        for hook in hooks:
            hook.remove()
    scaled = [nn.functional.normalize(total, dim=0) for total in sums]
    return [Units(*pair) for pair in zip(scaled[::2], scaled[1::2], strict=True)]


def _gate(gates: dict[int, Tensor], place: int, groups: int) -> Any:
    def multiply(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor]:
        hidden = inputs[0]  # (n, length, groups * size)
        if place not in gates:
            gates[place] = torch.ones(len(hidden), groups, requires_grad=True)
        return ((hidden.reshape(*hidden.shape[:2], groups, -1) * gates[place][:, None, :, None]).view(hidden.shape),)

    return multiply


def select(scores: list[Units], heads_kept: float, neurons_kept: float) -> list[Units]:
    """The units to keep, in rising order: the most important ones, these shares of the units of all layers together.

    Every layer keeps at least one head, and a multiple of 8 neurons (at most all that it has).
    """
    heads = _counts([layer.heads for layer in scores], heads_kept)
    neurons = _counts([layer.neurons for layer in scores], neurons_kept)
    kept = []
    for layer, n_heads, n_neurons in zip(scores, heads, neurons, strict=True):
        if n_neurons < len(layer.neurons):
            n_neurons = max(NEURONS_MULTIPLE, round(n_neurons / NEURONS_MULTIPLE) * NEURONS_MULTIPLE)
        kept.append(Units(_best(layer.heads, n_heads), _best(layer.neurons, n_neurons)))  # at most all of them
    return kept


def _counts(scores: list[Tensor], share: float) -> list[int]:
    everything = torch.cat(
        [layer.index_fill(0, layer.argmax()[None], torch.inf) for layer in scores]
    )  # each layer keeps one
    chosen = _best(everything, max(len(scores), round(share * len(everything))))
    owner = torch.repeat_interleave(torch.tensor([len(layer) for layer in scores]))
    return [int(count) for count in torch.bincount(owner[chosen], minlength=len(scores))]


def _best(scores: Tensor, count: int) -> Tensor:
    return scores.argsort(descending=True, stable=True)[:count].sort().values


def prune(model: nn.Module, kept: list[Units]) -> None:
    """Remove all heads and neurons but these from a network, in place."""
    state = dict(model.state_dict())
    for layer, units in zip(layers(model), kept, strict=True):
        for all_rows, chosen, size, total in (
            (layer.kind.heads, units.heads, layer.head_size, layer.heads),
            (layer.kind.neurons, units.neurons, 1, layer.neurons),
        ):
            for rows in all_rows:
                for name in tensors_of(layer, rows, state):
                    state[name] = state[name][places(rows, chosen, size, total)]
        inputs = (units.heads[:, None] * layer.head_size + torch.arange(layer.head_size)).flatten()
        for name, columns in ((layer.kind.mixed, inputs), (layer.kind.outer, units.neurons)):
            state[f"{layer.prefix}{name}.weight"] = state[f"{layer.prefix}{name}.weight"][:, columns]
        if layer.kind.head_bias and len(units.heads) < layer.heads:
            state[f"{layer.prefix}{layer.kind.attention}.{KEPT_HEADS}"] = layer.kept_heads[units.heads]
    fit(model, state)


def require_units(model: Any, heads_kept: float = 0.5, neurons_kept: float = 0.5) -> None:
    """Raises OptimizationError unless these shares of heads and neurons can be kept: their architecture is known, and
    they are matrices.
    """
    kind = required(model)
    if heads_kept < 1 and kind.mixing and getattr(model.config, kind.mixing, False):
        raise OptimizationError(
            f"heads can't be removed from a network with {kind.mixing}=true, which mixes them; set heads_kept=1"
        )
    matrices = [layer.part(name) for layer in layers(model) for name in layer.feed_forward]
    if not all(isinstance(matrix, nn.Linear) for matrix in matrices):
        raise OptimizationError(
            "neurons can't be removed from feed-forward matrices that are factorized; put low_rank after this step"
        )
