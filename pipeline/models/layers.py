"""The layers of a network and their parts, found by the table in `architectures.py`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.errors import OptimizationError
from pipeline.models.architectures import Architecture, Rows, architecture_of, unknown

KEPT_HEADS = "kept_heads"  # buffer of an attention module: which heads of the shared bias are its own


@dataclass(frozen=True)
class Layer:
    """One layer of a network."""

    prefix: str  # of its parts' names, for instance "bert.encoder.layer.0."
    kind: Architecture
    module: nn.Module

    def part(self, name: str) -> Any:
        """One of its modules, by a name in `kind`."""
        return self.module.get_submodule(name)

    @property
    def attention(self) -> Any:
        """The attention module."""
        return self.part(self.kind.attention)

    @property
    def head_size(self) -> int:
        """Outputs of one head."""
        return int(getattr(self.attention, self.kind.head_size))

    @property
    def width(self) -> int:
        """Outputs of all heads."""
        return int(self.part(self.kind.heads[0].name).out_features) // self.kind.heads[0].copies

    @property
    def heads(self) -> int:
        """Number of heads."""
        return self.width // self.head_size

    @property
    def neurons(self) -> int:
        """Number of feed-forward neurons."""
        return int(self.part(self.kind.neurons[0].name).out_features) // self.kind.neurons[0].copies

    @property
    def feed_forward(self) -> list[str]:
        """Names of its feed-forward matrices."""
        return [*(rows.name for rows in self.kind.neurons), self.kind.outer]

    @property
    def projections(self) -> list[Any]:
        """The modules that make queries, keys and values: three, or one."""
        first = self.kind.heads[0]
        return [self.part(rows.name) for rows in (self.kind.heads[:3] if first.copies == 1 else (first,))]

    def queries_keys_values(self, outputs: Sequence[Tensor]) -> list[Tensor]:
        """Three tensors (n, length, width) from what `projections` gave."""
        first = self.kind.heads[0]
        if first.copies == 1:
            return list(outputs)
        (joined,) = outputs
        if not first.together:
            return list(joined.chunk(3, -1))
        by_head = joined.view(*joined.shape[:2], -1, 3, self.head_size)
        return [part.flatten(2) for part in by_head.unbind(3)]

    @property
    def kept_heads(self) -> Tensor:
        """Which heads of the whole network's layer these are, int64 (heads,)."""
        kept = getattr(self.attention, KEPT_HEADS, None)
        return torch.arange(self.heads) if kept is None else kept


def layers(model: nn.Module) -> list[Layer]:
    """The layers of a network, in order; empty for an unknown architecture. Layers that are one are there once."""
    kind = architecture_of(getattr(model, "config", None))
    if kind is None:
        return []
    stack = layer_list(model)
    prefix = next(name for name, module in model.named_modules() if module is stack)
    return [Layer(f"{prefix}.{number}.", kind, module) for number, module in enumerate(stack)]


def layer_list(model: Any) -> Any:
    """The list of encoder layers, a ModuleList. Raises OptimizationError for an unknown architecture."""
    return model.base_model.get_submodule(required(model).layers)


def required(model: Any) -> Architecture:
    """The row of a network. Raises OptimizationError where there is none."""
    kind = architecture_of(getattr(model, "config", None))
    if kind is None:
        raise OptimizationError(unknown(getattr(model, "config", None)))
    return kind


def tensors_of(layer: Layer, rows: Rows, state: Mapping[str, Tensor]) -> Iterator[str]:
    """The names of a matrix and its bias, or of a vector, in a state; none where the network lacks them."""
    name = layer.prefix + rows.name
    yield from (key for key in (name, f"{name}.weight", f"{name}.bias") if key in state)


def places(rows: Rows, units: Tensor, size: int, total: int) -> Tensor:
    """Where the values of some units, int64 (k,), of `total` lie along the first axis; a unit has `size` values a copy."""
    if rows.together:
        size, copies = size * rows.copies, 1
    else:
        copies = rows.copies
    once = (units[:, None] * size + torch.arange(size)).flatten()
    return torch.cat([once + copy * total * size for copy in range(copies)])


def own_bias(module: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Before attention with fewer heads runs: take their part of the bias (n, heads, length, length) of all heads."""
    if "position_bias" in named:
        return arguments, named | {"position_bias": named["position_bias"].index_select(1, module.kept_heads)}
    hidden, mask, bias, *rest = arguments
    return (hidden, mask, bias.index_select(1, module.kept_heads), *rest), named
