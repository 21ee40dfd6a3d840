"""A trainable network of static word-piece vectors, in torch: the same computation as the runtime "static".

Its vectors start as the backbone's outputs for each piece alone, reduced by principal components, with smaller weights for
frequent pieces (Tulkens and van Dongen 2024, model2vec); then they are trained.
"""

from typing import Any

import numpy as np
import torch
from torch import nn
from transformers.modeling_outputs import SequenceClassifierOutput

from pipeline.models.token_types import NONE, SIDES
from pipeline.system.progress import bar

BATCH = 512  # word pieces


class StaticNetwork(nn.Module):
    """The mean of the vectors, a hidden layer, logits; of pairs [u, v, |u - v|, u * v] of both means."""

    def __init__(self, vectors: np.ndarray, hidden: int, labels: int, pairs: bool = False) -> None:
        super().__init__()
        self.token_types = SIDES if pairs else NONE
        self.vectors = nn.Embedding(len(vectors), vectors.shape[1], _weight=torch.from_numpy(vectors))
        self.inner = nn.Linear(vectors.shape[1] * (4 if pairs else 1), hidden)
        self.outer = nn.Linear(hidden, labels)

    @property
    def base_model(self) -> "StaticNetwork":
        """Itself; networks of transformers have their encoder here."""
        return self

    def get_input_embeddings(self) -> nn.Embedding:
        """The vectors, under the name that transformers uses."""
        return self.vectors

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
    ) -> Any:  # fmt: skip
        """ids and mask, int64 (n, length) -> logits, float32 (n, labels); with labels, int64 (n,), also the loss.

        token_type_ids: of pairs, the sides of the tokens, int64 (n, length), see `pipeline.models.token_types`.
        """
        vectors = self.vectors(input_ids)
        if token_type_ids is None:
            pooled = _mean(vectors, attention_mask)
        else:
            first, second = (_mean(vectors, token_type_ids == side) for side in (1, 2))
            pooled = torch.cat([first, second, (first - second).abs(), first * second], dim=1)
        logits = self.outer(torch.relu(self.inner(pooled)))
        loss = None if labels is None else nn.functional.cross_entropy(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)


def _mean(vectors: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
    """The mean of the vectors, (n, length, width), of the tokens that are counted, (n, length): (n, width)."""
    mask = counted[:, :, None].to(vectors.dtype)
    return (vectors * mask).sum(1) / mask.sum(1).clamp(min=1)


def word_piece_vectors(model: Any, tokenizer: Any, width: int) -> np.ndarray:
    """A vector for each word piece from a backbone's last layer: float32 (pieces, width).

    It is the mean over the piece and the special tokens around it, if any, centred, reduced to `width` principal
    components, times ln(1 + rank). The order of the vocabulary serves as the rank by frequency.
    """
    pieces = len(tokenizer)
    before, after = _around(tokenizer)
    states = []
    with torch.inference_mode(), bar("vectors of word pieces", "piece", pieces) as progress:
        for start in range(0, pieces, BATCH):
            ids = torch.arange(start, min(pieces, start + BATCH))[:, None]
            inputs = torch.cat([before.expand(len(ids), -1), ids, after.expand(len(ids), -1)], dim=1)
            states.append(model.base_model(input_ids=inputs).last_hidden_state.mean(1))
            progress.update(len(ids))
    found = torch.cat(states)
    found -= found.mean(0)
    squares = sum(part.double().T @ part.double() for part in torch.split(found, BATCH))  # 250,000 pieces fit into memory
    axes = torch.linalg.eigh(squares).eigenvectors.flip(1).float()  # the largest first
    reduced = (found @ axes[:, :width]).numpy()
    reduced /= reduced.std()
    weighed: np.ndarray = (reduced * np.log1p(np.arange(1, pieces + 1))[:, None] / np.log1p(pieces)).astype(np.float32)
    return weighed


def _around(tokenizer: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """The special tokens before and after a text, int64; there may be none."""
    ids = torch.tensor(tokenizer("a")["input_ids"])
    own = torch.tensor(tokenizer("a", return_special_tokens_mask=True)["special_tokens_mask"]).eq(0).nonzero().flatten()
    return ids[: own[0]], ids[own[-1] + 1 :]
