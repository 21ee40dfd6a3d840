"""`weights.safetensors`: a network's tensors in one file in which zeros take one bit each.

A pruned matrix that is stored densely is as large as before. Here a tensor NAME of two or more dimensions is stored as two,
wherever that takes fewer bytes:

    NAME:mask    uint8 (ceil(n / 8),): one bit a value in row-major order, the first in the highest bit; 1: it is not zero
    NAME:values  of the tensor's own type (k,): those values, in that order

and its shape stands in the file's metadata, under "shapes": JSON, {NAME: [rows, columns, ...]}. All other tensors are
stored as they are. It is exact to the bit, except that -0.0 is read back as 0.0. The file is not called `model.safetensors`,
because transformers can't load it.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

FILE = "weights.safetensors"


def write(state: Mapping[str, torch.Tensor], artifact: Path) -> None:
    """Write the tensors into an artifact directory."""
    stored: dict[str, torch.Tensor] = {}
    shapes: dict[str, list[int]] = {}
    for name, tensor in state.items():
        filled = tensor != 0  # true of NaN as well
        saved = (tensor.numel() - int(filled.sum())) * tensor.element_size()
        if tensor.dim() >= 2 and saved > math.ceil(tensor.numel() / 8):
            shapes[name] = list(tensor.shape)
            stored[f"{name}:mask"] = torch.from_numpy(np.packbits(filled.numpy()))
            stored[f"{name}:values"] = tensor[filled]
        else:
            stored[name] = tensor.detach().contiguous()
    save_file(stored, artifact / FILE, metadata={"shapes": json.dumps(shapes)})


def read(artifact: Path) -> dict[str, torch.Tensor]:
    """The tensors of an artifact directory, all dense. Raises OSError when there is no file, ValueError when it is damaged.

    Those that were stored as they are lie in the file still, and are read as they are used.
    """
    file = artifact / FILE
    try:
        with safe_open(file, framework="pt") as opened:
            shapes: dict[str, list[int]] = json.loads((opened.metadata() or {})["shapes"])
            stored = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  it is no dict
        state = {name: _dense(stored.pop(f"{name}:mask"), stored.pop(f"{name}:values"), shapes[name]) for name in shapes}
    except (SafetensorError, KeyError, TypeError, AttributeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{file}: damaged, or not such a file ({error})") from error
    return stored | state


def names(artifact: Path) -> set[str]:
    """The names of the tensors of an artifact directory, which are not read. Raises OSError when there is no file."""
    with safe_open(artifact / FILE, framework="pt") as opened:
        return {name.removesuffix(":mask").removesuffix(":values") for name in opened.keys()}  # noqa: SIM118  it is no dict


def _dense(mask: torch.Tensor, values: torch.Tensor, shape: list[int]) -> torch.Tensor:
    size = math.prod(shape)
    if mask.dtype != torch.uint8 or mask.shape != (math.ceil(size / 8),):
        raise ValueError(f"a mask of {len(mask)} bytes for {size} values")
    filled = torch.from_numpy(np.unpackbits(mask.numpy(), count=size)).bool()
    if values.shape != (int(filled.sum()),):
        raise ValueError(f"{len(values)} values for a mask of {int(filled.sum())}")
    dense = torch.zeros(size, dtype=values.dtype)
    dense[filled] = values
    return dense.view(shape)
