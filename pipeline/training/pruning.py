"""Unstructured pruning while training: weights of the encoder's linear layers are masked, more and more of them.

Magnitude pruning masks the weights that are closest to zero. Movement pruning (Sanh, Wolf, Rush 2020) masks the weights that
training moves towards zero: every weight has a score, which is trained with a straight-through gradient. The share of masked
weights follows the cubic schedule of Zhu and Gupta (2017). Weights are ranked within each matrix.

Not here: removing whole heads and neurons, which makes a network faster (`pipeline/models/units.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.utils import parametrize
from transformers import TrainerCallback

from pipeline.training.optimizer import adamw

UPDATE_EVERY = 10  # steps between two rankings
SCORE_LEARNING_RATE = 1e-2  # as in Sanh et al.; only the order of the scores matters, so large steps do no harm


@dataclass(frozen=True)
class Schedule:
    """The share of weights that is masked, step by step: none at first, then rising, then staying at `sparsity`."""

    sparsity: float  # 0 to 1, at the end
    start: float  # share of all steps before the rise
    end: float  # share of all steps at which the rise ends

    def at(self, progress: float) -> float:
        """The share after `progress` (0 to 1) of all steps: s * (1 - (1 - t)^3), Zhu and Gupta 2017, section 3."""
        rise = min(1.0, max(0.0, (progress - self.start) / (self.end - self.start)))
        return self.sparsity * (1 - (1 - rise) ** 3)


class _Masked(torch.autograd.Function):
    """weight * mask, where the score's gradient is as if the score were the mask (straight-through)."""

    @staticmethod
    def forward(ctx: Any, weight: torch.Tensor, score: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(weight, mask)
        return weight * mask

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        weight, mask = ctx.saved_tensors
        return gradients[0] * mask, gradients[0] * weight, None


class Mask(torch.nn.Module):
    """A parametrization of one weight matrix: the weights whose score is low read as zero.

    In the paper scores start at 0 and are trained for tens of thousands of steps. Here they start at the magnitudes, in
    standard deviations: a training has a few hundred steps, in which rankings that start from 0 would be noise.
    """

    mask: torch.Tensor

    def __init__(self, weight: torch.Tensor, movement: bool) -> None:
        super().__init__()
        self.score = torch.nn.Parameter(weight.detach().abs() / weight.detach().std()) if movement else None
        self.register_buffer("mask", torch.ones_like(weight, dtype=torch.bool))

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """The masked weight, of the same shape."""
        masked: torch.Tensor = _Masked.apply(weight, self.scores(weight), self.mask)  # type: ignore[no-untyped-call]
        return masked

    def scores(self, weight: torch.Tensor) -> torch.Tensor:
        """The values that rank the weights, of the same shape."""
        return weight.detach().abs() if self.score is None else self.score

    @torch.no_grad()
    def rank(self, weight: torch.Tensor, sparsity: float) -> None:
        """Mask this share of the weights, rounded to whole weights: the lowest scores, of equal ones the first."""
        count = round(sparsity * weight.numel())
        score = self.scores(weight).flatten().float()
        last = torch.kthvalue(score, count).values if count else torch.tensor(-torch.inf)
        below, equal = score < last, score == last
        surplus = equal.cumsum(0) > count - below.sum()
        self.mask.copy_((~below & (~equal | surplus)).view_as(self.mask))


def add_masks(model: Any, method: str) -> None:
    """Give every linear layer of the encoder's layers a mask; method is "magnitude" or "movement"."""
    for linear in _linears(model):
        parametrize.register_parametrization(linear, "weight", Mask(linear.weight, method == "movement"))


def rank(model: Any, sparsity: float) -> None:
    """Rank the weights of each matrix again, and mask this share of them."""
    for linear in _linears(model):
        parametrizations: Any = linear.parametrizations
        parametrization = parametrizations["weight"]
        parametrization[0].rank(parametrization.original, sparsity)


def remove_masks(model: Any) -> None:
    """Turn masked weights into zeros and remove the masks."""
    for linear in _linears(model):
        parametrize.remove_parametrizations(linear, "weight", leave_parametrized=True)


def sparsity_of(model: Any) -> float:
    """The share of zeros among the weights of the encoder's linear layers, once the masks are removed."""
    weights = [linear.weight for linear in _linears(model)]
    return float(sum((weight == 0).sum() for weight in weights) / sum(weight.numel() for weight in weights))


def _linears(model: Any) -> Iterator[torch.nn.Linear]:
    from pipeline.models.layers import layer_list

    yield from (module for module in layer_list(model).modules() if isinstance(module, torch.nn.Linear))


def optimizer(model: Any, learning_rate: float, weight_decay: float) -> torch.optim.AdamW:
    """AdamW with the scores at a rate of their own, and no weight decay of them."""

    def rate_of(name: str) -> float:
        return SCORE_LEARNING_RATE if name.endswith(".score") else learning_rate

    return adamw(model, weight_decay, rate_of, decays=lambda name: not name.endswith(".score"))


class Pruner(TrainerCallback):  # type: ignore[misc]  # transformers is not typed
    """Ranks the weights again as training proceeds; it depends on the current step only, so it needs no state of its own."""

    def __init__(self, model: Any, schedule: Schedule) -> None:
        self._model = model
        self._schedule = schedule

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Before a step."""
        if state.global_step % UPDATE_EVERY == 0:
            rank(self._model, self._schedule.at(state.global_step / state.max_steps))

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Before an epoch's validation and checkpoint."""
        rank(self._model, self._schedule.at(state.global_step / state.max_steps))
