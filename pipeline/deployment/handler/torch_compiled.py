"""Compiled code of torch."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch._inductor import aoti_load_package


def network(folder: Path, threads: int) -> Callable[..., Any]:
    """What makes logits of token ids, mask and maybe token types. It is native code for this kind of processor."""
    torch.set_num_threads(threads)
    model = aoti_load_package(str(folder / "model.pt2"))

    def forward(*encoded: Any) -> Any:
        with torch.inference_mode():
            return model(*map(torch.from_numpy, encoded)).float().numpy()

    return forward
