"""Structured pruning: the importance of attention heads and feed-forward neurons, and networks without the others.

Removing a head or a neuron makes matrices smaller, so the network is faster on any runtime. This works for networks with the
layers of BERT or DistilBERT (BERT, MiniLM, RoBERTa, ELECTRA, ...). `fit` also loads stored weights whose shapes differ from
the network's configuration.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.models.low_rank import use_factors_of
from pipeline.tasks import SINGLE_LABEL, Task

NEURONS_MULTIPLE = 8  # matrix kernels compute 8 or 16 columns at once; fewer columns take as long


@dataclass(frozen=True)
class PartNames:
    """Names of a layer's linear modules, and of the attributes with the number of heads and their total width."""

    query: str
    key: str
    value: str
    mixed: str  # its inputs are the outputs of all heads
    inner: str  # its outputs are the neurons
    outer: str  # its inputs are the neurons
    attention: str
    heads: str
    width: str


ARCHITECTURES = (
    PartNames(  # BERT
        "attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense",
        "intermediate.dense", "output.dense", "attention.self", "num_attention_heads", "all_head_size",
    ),
    PartNames(  # DistilBERT
        "attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin",
        "ffn.lin1", "ffn.lin2", "attention", "n_heads", "dim",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Layer:
    """One layer of a network."""

    prefix: str  # of its parts' names, for instance "bert.encoder.layer.0."
    kind: PartNames
    module: nn.Module

    def part(self, name: str) -> Any:
        """One of its modules, by a name in `kind`."""
        return self.module.get_submodule(name)

    @property
    def head_size(self) -> int:
        """Outputs of one head."""
        return int(self.part(self.kind.attention).attention_head_size)

    @property
    def heads(self) -> int:
        """Number of heads."""
        return int(self.part(self.kind.query).out_features) // self.head_size

    @property
    def neurons(self) -> int:
        """Number of feed-forward neurons."""
        return int(self.part(self.kind.inner).out_features)


@dataclass(frozen=True)
class Units:
    """Values for the heads and neurons of one layer, float (heads,) and (neurons,); or the indices that are kept, int64."""

    heads: Tensor
    neurons: Tensor


def layers(model: nn.Module) -> list[Layer]:
    """The layers of a network, in order; empty for an unknown architecture."""
    modules = dict(model.named_modules())
    found = []
    for name in modules:
        for kind in ARCHITECTURES:
            prefix = name.removesuffix(kind.query)
            parts = (kind.query, kind.key, kind.value, kind.mixed, kind.inner, kind.outer)
            if prefix != name and all(prefix + part in modules for part in parts):
                found.append(Layer(prefix, kind, modules[prefix.removesuffix(".")]))
    return found


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
    gates: dict[int, Tensor] = {}
    hooks = [module.register_forward_pre_hook(_gate(gates, i, groups)) for i, (module, groups) in enumerate(gated)]
    sums = [torch.zeros(groups, dtype=torch.float64) for _, groups in gated]
    try:
        for batch in batches:
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
        rows = (units.heads[:, None] * layer.head_size + torch.arange(layer.head_size)).flatten()
        kind = layer.kind
        for name, outputs in ((kind.query, rows), (kind.key, rows), (kind.value, rows), (kind.inner, units.neurons)):
            for key in (f"{layer.prefix}{name}.weight", f"{layer.prefix}{name}.bias"):
                state[key] = state[key][outputs]
        for name, inputs in ((kind.mixed, rows), (kind.outer, units.neurons)):
            state[f"{layer.prefix}{name}.weight"] = state[f"{layer.prefix}{name}.weight"][:, inputs]
    fit(model, state)


def fit(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load weights into a network, and resize its linear layers and numbers of heads to match; tensors are not copied.

    Layers that the weights have as two factors are factorized (see `low_rank`). Raises ValueError when a weight is missing,
    unknown or of a shape that does not fit.
    """
    use_factors_of(model, state)
    for name, module in model.named_modules():
        weight = state.get(f"{name}.weight")
        if isinstance(module, nn.Linear) and weight is not None and weight.shape != module.weight.shape:
            module.out_features, module.in_features = weight.shape
            module.weight = nn.Parameter(torch.empty(weight.shape, device="meta"), module.weight.requires_grad)
            if module.bias is not None:
                module.bias = nn.Parameter(torch.empty(len(weight), device="meta"), module.bias.requires_grad)
    for layer in layers(model):
        attention, width = layer.part(layer.kind.attention), layer.part(layer.kind.query).out_features
        if width % layer.head_size:
            raise ValueError(f"{layer.prefix}{layer.kind.query}: {width} rows are not a whole number of heads")
        setattr(attention, layer.kind.heads, layer.heads)
        setattr(attention, layer.kind.width, width)
    try:
        model.load_state_dict(state, assign=True)
    except RuntimeError as error:
        raise ValueError(" ".join(str(error).split())) from error


def padded(state: Mapping[str, Tensor], shapes: Mapping[str, torch.Size]) -> dict[str, Tensor]:
    """Weights padded with zeros to larger shapes: removed heads and neurons come back at the end, without any effect."""
    full = {}
    for name, tensor in state.items():
        missing = [want - have for want, have in zip(shapes[name], tensor.shape, strict=True)]
        full[name] = nn.functional.pad(tensor, [side for more in reversed(missing) for side in (0, more)])
    return full
