"""A checkpoint of transformers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification


def network(folder: Path, threads: int) -> Callable[..., Any]:
    """What makes logits of token ids, mask and maybe token types."""
    torch.set_num_threads(threads)
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    names = ("input_ids", "attention_mask", "token_type_ids")

    def forward(*encoded: Any) -> Any:
        with torch.inference_mode():
            return model(**dict(zip(names, map(torch.from_numpy, encoded), strict=False))).logits.numpy()

    return forward
