"""Networks whose matrices have other shapes than their configuration says: fewer heads and neurons, or two factors.

`fit` loads stored weights into such a network; `padded` gives them the shapes that transformers expects.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from pipeline.models.layers import KEPT_HEADS, Layer, layers, own_bias, places, tensors_of
from pipeline.models.low_rank import use_factors_of


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
            module.weight = _empty(weight, module.weight)
            if module.bias is not None:
                module.bias = _empty(weight[:, 0], module.bias)
    for layer in layers(model):
        _fit_heads(layer, state)
    try:
        model.load_state_dict(state, assign=True)
    except RuntimeError as error:
        raise ValueError(" ".join(str(error).split())) from error


def _empty(like: Tensor, parameter: Tensor) -> nn.Parameter:
    return nn.Parameter(torch.empty(like.shape, device="meta"), parameter.requires_grad)


def _fit_heads(layer: Layer, state: Mapping[str, Tensor]) -> None:
    attention, width = layer.attention, layer.width
    if width % layer.head_size:
        raise ValueError(f"{layer.prefix}{layer.kind.heads[0].name}: {width} rows are not a whole number of heads")
    for rows in layer.kind.heads:  # vectors of the attention module itself
        owner, _, name = rows.name.rpartition(".")
        vector = state.get(layer.prefix + rows.name)
        if vector is not None and owner == layer.kind.attention:
            setattr(attention, name, _empty(vector, getattr(attention, name)))
    if layer.kind.counts is not None:
        for name, count in zip(layer.kind.counts, (layer.heads, width), strict=True):
            setattr(attention, name, count)
    kept = state.get(f"{layer.prefix}{layer.kind.attention}.{KEPT_HEADS}")
    if kept is not None and not hasattr(attention, KEPT_HEADS):
        attention.register_buffer(KEPT_HEADS, kept)
        attention.register_forward_pre_hook(own_bias, with_kwargs=True)
    elif kept is not None:
        setattr(attention, KEPT_HEADS, kept)


def padded(small: nn.Module, whole: nn.Module) -> dict[str, Tensor]:
    """The weights of a network in the shapes of the whole one: removed heads and neurons are zeros, without any effect."""
    state = {name: tensor for name, tensor in small.state_dict().items() if not name.endswith(f".{KEPT_HEADS}")}
    shapes = {name: tensor.shape for name, tensor in whole.state_dict().items()}
    for layer, full in zip(layers(small), layers(whole), strict=True):
        neurons = torch.arange(layer.neurons)
        for all_rows, units, size, total in (
            (layer.kind.heads, layer.kept_heads, layer.head_size, full.heads),
            (layer.kind.neurons, neurons, 1, full.neurons),
        ):
            for rows in all_rows:
                for name in tensors_of(layer, rows, state):
                    filled = state[name].new_zeros(shapes[name])
                    filled[places(rows, units, size, total)] = state[name]
                    state[name] = filled
        heads = (layer.kept_heads[:, None] * layer.head_size + torch.arange(layer.head_size)).flatten()
        for name, columns in ((layer.kind.mixed, heads), (layer.kind.outer, neurons)):
            key = f"{layer.prefix}{name}.weight"
            filled = state[key].new_zeros(shapes[key])
            filled[:, columns] = state[key]
            state[key] = filled
    return state
