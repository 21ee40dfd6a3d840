"""Mean pooling: a text's vector is the mean over its tokens; the classifiers of transformers take the first token's.

Sentence encoders (Reimers and Gurevych 2019) were pretrained with that mean. Fine-tuned with it, they need fewer epochs and
recognize out-of-scope texts better. The network gets no new parts: its encoder returns one vector a text, and the head of
transformers takes the first one as usual. BERT's pooler, a layer between the first token's vector and the head, is left out.
`config.json` has "pooling": "mean". Where transformers has a setting for it (ModernBERT), that is used instead, and the
network stays one that transformers can load.
"""

from typing import Any

from torch import Tensor, nn

from pipeline.models.layers import required
from pipeline.models.linear_head import First, head_of, use_linear_head


def pooling_of(model: Any) -> str:
    """ "mean" where this module averages the tokens, else "first": as transformers does it."""
    return str(getattr(model.config, "pooling", "first"))


def own_parts(model: Any) -> str:
    """How a network differs from that of transformers in pooling and head; "" where it does not."""
    parts = ["mean pooling"] if pooling_of(model) == "mean" else []
    return " and ".join([*parts, "a linear head"] if head_of(model) else parts)


def pool(model: Any, pooling: str | None = None) -> Any:
    """Make a network pool as its configuration says, or as `pooling` says, which its configuration then records.

    Also its head, see `linear_head`. Raises OptimizationError for an unknown architecture.
    """
    if pooling is not None and pooling != "first":
        setting = required(model).pooling_setting or "pooling"
        setattr(model.config, setting, pooling)
    if pooling_of(model) == "mean" and not isinstance(getattr(model, "mean_of", None), Mean):
        kind, encoder = required(model), model.base_model
        model.mean_of = Mean()
        encoder.register_forward_pre_hook(model.mean_of.remember, with_kwargs=True)
        if kind.averaged is None:
            encoder.pooler = model.mean_of
        else:
            encoder.get_submodule(kind.averaged).register_forward_hook(model.mean_of.average)
            for name in kind.left_out:
                if getattr(encoder, name, None) is not None:
                    setattr(encoder, name, First())
    return use_linear_head(model)


class Mean(nn.Module):
    """Two hooks that share the attention mask, also a pooler; a copy of a network gets a copy of all."""

    def __init__(self) -> None:
        super().__init__()
        self._mask: Tensor | None = None

    def remember(self, module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        """Before the network runs: store the attention mask, int64 (n, length), 1 for real tokens; None: all are real."""
        self._mask = named.get("attention_mask")

    def average(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
        """After its layers: replace hidden states (n, length, hidden size) by their mean (n, 1, hidden size)."""
        output.last_hidden_state = self._mean(output[0])
        return output

    def forward(self, hidden: Tensor) -> Tensor:
        """As a pooler: hidden states (n, length, hidden size) -> their mean (n, hidden size)."""
        return self._mean(hidden)[:, 0]

    def _mean(self, hidden: Tensor) -> Tensor:
        if self._mask is None:
            return hidden.mean(1, keepdim=True)
        counts = self._mask.to(hidden.dtype)
        return (counts / counts.sum(1, keepdim=True)).unsqueeze(1) @ hidden  # faster than multiplying and summing
