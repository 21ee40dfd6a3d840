"""A classifier whose last layer takes the vector of a text as it is, such as SetFit's (Tunstall et al. 2022).

transformers puts a layer of its own between the encoder and the last layer. A network with this head says so in its
`config.json`: "head": "linear", or "normalized" where the vector is divided by its length first.
"""

from typing import Any

import torch
from torch import Tensor, nn

from pipeline.errors import OptimizationError

FAMILIES = ("bert", "roberta", "xlm-roberta", "camembert", "mpnet", "electra")  # whose `classifier` can be replaced alone
LINEAR, NORMALIZED = "linear", "normalized"


def head_of(model: Any) -> str:
    """ "linear", "normalized", or "" for the head of transformers."""
    return str(getattr(model.config, "head", ""))


def use_linear_head(model: Any, head: str | None = None) -> Any:
    """Give a network the head that its configuration names, or `head`, which its configuration then records.

    Its weights are new. Raises OptimizationError where a family's head can't be replaced.
    """
    if head is not None:
        model.config.head = head
    if not head_of(model) or isinstance(model.classifier, LinearHead):
        return model
    if model.config.model_type not in FAMILIES:
        raise OptimizationError(f"a {model.config.model_type!r} can't have a linear head, only {', '.join(FAMILIES)}")
    model.classifier = LinearHead(model.config.hidden_size, model.config.num_labels, head_of(model) == NORMALIZED)
    if getattr(model.base_model, "pooler", None) is not None:
        model.base_model.pooler = First()
    return model


class First(nn.Module):
    """Hidden states (n, length, hidden size) -> the first of each text (n, hidden size), which stay as they are."""

    def forward(self, hidden: Tensor) -> Tensor:
        """See the class."""
        return hidden[:, 0] if hidden.dim() == 3 else hidden


class LinearHead(nn.Module):
    """Vectors (n, hidden size), or hidden states whose first one counts (n, length, hidden size) -> logits (n, labels)."""

    def __init__(self, hidden_size: int, labels: int, normalized: bool) -> None:
        super().__init__()
        self.normalized = normalized
        self.linear = nn.Linear(hidden_size, labels)

    def forward(self, features: Tensor) -> Tensor:
        """See the class."""
        vectors = features[:, 0] if features.dim() == 3 else features
        logits: Tensor = self.linear(torch.nn.functional.normalize(vectors, dim=-1) if self.normalized else vectors)
        return logits
