"""Runtime "torch": a transformers sequence-classification checkpoint in fp32, safetensors only.

The directory also loads with `transformers.pipeline("text-classification", model=DIR)` as it is.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.classifiers.base import Description, Encoder


class TorchClassifier:
    """Inference with torch on the CPU; see `pipeline.classifiers.base.Classifier`."""

    def __init__(self, artifact: Path, description: Description, threads: int) -> None:
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false" if threads == 1 else "true")
        import torch
        from transformers import AutoModelForSequenceClassification

        torch.set_num_threads(threads)
        self._torch = torch
        self._model = AutoModelForSequenceClassification.from_pretrained(
            artifact, use_safetensors=True, trust_remote_code=False
        ).eval()
        self._encode = Encoder(artifact, description.max_length, self._model.config.pad_token_id or 0)
        self.labels = description.labels

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        """Logits of a batch: float32 (len(texts), len(labels))."""
        ids, mask = self._encode(texts)
        with self._torch.inference_mode():
            padded = None if mask.all() else self._torch.from_numpy(mask)
            output = self._model(input_ids=self._torch.from_numpy(ids), attention_mask=padded)
        logits: np.ndarray = output.logits.float().numpy()
        return logits


def open(artifact: Path, description: Description, threads: int) -> TorchClassifier:
    """Load it. Raises OSError or ValueError when weights or tokenizer are missing or not of this kind."""
    return TorchClassifier(artifact, description, threads)


def save(model: Any, tokenizer: Any, description: Description, artifact: Path) -> None:
    """Write a transformers model and tokenizer as an artifact directory: config, safetensors, tokenizer, description."""
    model.save_pretrained(artifact)
    tokenizer.model_max_length = description.max_length
    tokenizer.save_pretrained(artifact)
    description.write(artifact)
