"""A network of transformers in which some parts are others."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForSequenceClassification

CHANGES: list[Callable[[Any, Any], None]] = []  # `compose` names those that the network needs, and `load_weights`


def network(folder: Path, threads: int) -> Callable[..., Any]:
    """What makes logits of token ids, mask and maybe token types."""
    torch.set_num_threads(threads)
    model = AutoModelForSequenceClassification.from_config(AutoConfig.from_pretrained(folder), dtype=torch.float32).eval()
    state, names = load_file(folder / "weights.safetensors"), ("input_ids", "attention_mask", "token_type_ids")
    for change in CHANGES:
        change(model, state)

    def forward(*encoded: Any) -> Any:
        with torch.inference_mode():
            return model(**dict(zip(names, map(torch.from_numpy, encoded), strict=False))).logits.numpy()

    return forward


def load_weights(model: Any, state: dict[str, torch.Tensor]) -> None:
    """Load all weights; those of layers in int8 follow."""
    model.load_state_dict(state, strict=False)
