"""`weights.safetensors`: the tensors of a network in one file, in which a zero takes one bit.

Dense storage makes a pruned matrix as large as before pruning. So this format stores a tensor NAME of two or more dimensions
as two tensors, wherever that takes fewer bytes:

    NAME:mask    uint8 (ceil(n / 8),): one bit for each value in row-major order, the first in the highest bit; 1: not zero
    NAME:values  (k,), with the type of the tensor: the values that are not zero, in the same order

The file's metadata has the shapes under "shapes", as JSON: {NAME: [rows, columns, ...]}. All other tensors are stored
unchanged. Values are exact to the bit, except that -0.0 becomes 0.0. The file is not called `model.safetensors`, because
transformers can't load it.
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
        filled = tensor != 0  # also true for NaN
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

    Tensors that were stored unchanged are mapped from the file and read when they are used.
    """
    file = artifact / FILE
    try:
        with safe_open(file, framework="pt") as opened:
            shapes: dict[str, list[int]] = json.loads((opened.metadata() or {})["shapes"])
            stored = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  it is no dict
        state = {name: _dense(stored.pop(f"{name}:mask"), stored.pop(f"{name}:values"), shapes[name]) for name in shapes}
    except (SafetensorError, KeyError, TypeError, AttributeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{file}: damaged, or of another format ({error})") from error
    return stored | state


def names(artifact: Path) -> set[str]:
    """The names of the tensors of an artifact directory, without reading the tensors.

    Raises OSError when there is no file.
    """
    with safe_open(artifact / FILE, framework="pt") as opened:
        return {name.removesuffix(":mask").removesuffix(":values") for name in opened.keys()}  # noqa: SIM118  it is no dict


def _dense(mask: torch.Tensor, values: torch.Tensor, shape: list[int]) -> torch.Tensor:
    size = math.prod(shape)
    if mask.dtype != torch.uint8 or mask.shape != (math.ceil(size / 8),):
        raise ValueError(f"the mask has {len(mask)} bytes for {size} values")
    filled = torch.from_numpy(np.unpackbits(mask.numpy(), count=size)).bool()
    if values.shape != (int(filled.sum()),):
        raise ValueError(f"there are {len(values)} values, and the mask has {int(filled.sum())}")
    dense = torch.zeros(size, dtype=values.dtype)
    dense[filled] = values
    return dense.view(shape)
