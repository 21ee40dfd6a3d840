"""Low rank: a matrix as the product of two thin ones, by singular value decomposition (Eckart and Young 1936).

W (m, n) is approximated by A (m, r) times B (r, n): r * (m + n) numbers instead of m * n. An embedding of rank 128 instead
of 384 is a third as large; further training brings back a part of what the approximation costs.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from pipeline.errors import OptimizationError


class Factored(nn.Sequential):
    """Two layers instead of one: an embedding or linear layer into few dimensions, then a linear layer out of them."""

    @property
    def in_features(self) -> int:
        """Number of inputs, if the first layer is linear."""
        first = self[0]
        assert isinstance(first, nn.Linear)
        return first.in_features

    @property
    def out_features(self) -> int:
        """Number of outputs."""
        second = self[1]
        assert isinstance(second, nn.Linear)
        return second.out_features


def factorize(module: nn.Embedding | nn.Linear, rank: int) -> Factored:
    """The best approximation of this rank. Raises OptimizationError when it would not be smaller than the layer."""
    made, weight = empty_factors(module, rank), module.weight.detach()
    u, s, vt = torch.linalg.svd(weight.double(), full_matrices=False)
    left, right = ((u[:, :rank] * s[:rank].sqrt()).float(), (s[:rank, None].sqrt() * vt[:rank]).float())
    first, second = made[0].get_parameter("weight"), made[1].get_parameter("weight")
    with torch.no_grad():
        if isinstance(module, nn.Embedding):
            first.copy_(left)
            second.copy_(right.T)
        else:
            first.copy_(right)
            second.copy_(left)
            if module.bias is not None:
                made[1].get_parameter("bias").copy_(module.bias)
    return made


def empty_factors(module: nn.Embedding | nn.Linear, rank: int) -> Factored:
    """Factors with the shape of a layer; their weights are not initialized.

    Raises OptimizationError when they would not be smaller than the layer.
    """
    rows, columns = module.weight.shape
    if rank * (rows + columns) >= rows * columns:
        most = (rows * columns - 1) // (rows + columns)
        raise OptimizationError(f"rank {rank} does not make a matrix of {rows} x {columns} smaller; use at most {most}")
    if isinstance(module, nn.Embedding):
        return Factored(nn.Embedding(rows, rank, module.padding_idx), nn.Linear(rank, columns, bias=False))
    first = nn.Linear(module.in_features, rank, bias=False)
    return Factored(first, nn.Linear(rank, module.out_features, bias=module.bias is not None))


def replace_module(model: nn.Module, name: str, module: nn.Module) -> None:
    """Replace the module of this name by another."""
    parent, _, own = name.rpartition(".")
    setattr(model.get_submodule(parent), own, module)


def use_factors_of(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Factorize the layers that are factorized in a state, which has them by name; weights are not loaded."""
    for name, module in list(_factorizable(model)):
        first = state.get(f"{name}.0.weight")
        if first is not None and f"{name}.1.weight" in state:
            rank = first.shape[1] if isinstance(module, nn.Embedding) else first.shape[0]
            replace_module(model, name, empty_factors(module, rank))


def _factorizable(model: nn.Module) -> Iterator[tuple[str, nn.Embedding | nn.Linear]]:
    for name, module in model.named_modules():
        if isinstance(module, nn.Embedding | nn.Linear):
            yield name, module
