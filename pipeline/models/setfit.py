"""A folder of SetFit (Tunstall et al. 2022): an encoder of sentence-transformers with a logistic regression on its vectors.

The regression becomes the last layer of the network. SetFit keeps it as a pickle, which is not read: `folders.look` says how
to write it as `model_head.safetensors`, with `weight` (classes, hidden size), one row for two classes, `bias` and, in the
metadata, `classes`.
"""

from typing import Any

import torch
from safetensors.torch import load_file

from pipeline.errors import BackboneError, OptimizationError
from pipeline.models.folders import SETFIT_HEAD, Folder
from pipeline.models.linear_head import LINEAR, NORMALIZED, use_linear_head
from pipeline.models.pooling import pool


def with_head(model: Any, folder: Folder) -> Any:
    """A network with the folder's pooling and head instead of those of transformers.

    Raises BackboneError where the head does not fit the network, or its family can't have one.
    """
    if folder.notes:
        raise BackboneError(f"{folder.encoder}: its head can't be used, because {'; '.join(folder.notes)}")
    tensors = load_file(folder.encoder / SETFIT_HEAD)
    weight, bias = tensors["weight"].float(), tensors["bias"].float()
    if len(weight) == 1:  # a regression of two classes has the logit of the second
        weight, bias = (torch.cat([torch.zeros_like(each), each]) for each in (weight, bias))
    if weight.shape != (len(folder.outputs), model.config.hidden_size):
        shape = f"{tuple(weight.shape)} for {len(folder.outputs)} labels and a hidden size of {model.config.hidden_size}"
        raise BackboneError(f"{folder.encoder}: the weights in {SETFIT_HEAD} do not fit the network: {shape}")
    try:
        use_linear_head(model, NORMALIZED if folder.normalized else LINEAR)
    except OptimizationError as error:
        raise BackboneError(f"{folder.encoder}: {error.args[0]}; backbone.finetuned=false trains a new head") from error
    with torch.no_grad():
        model.classifier.linear.weight.copy_(weight)
        model.classifier.linear.bias.copy_(bias)
    return pool(model, folder.pooling)
