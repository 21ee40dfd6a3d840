"""Mean pooling: a text's vector is the mean over its tokens, where transformers' classifiers take the first token's.

Encoders that were pretrained as sentence encoders (Reimers and Gurevych 2019) speak through that mean: fine-tuned with it
they need fewer epochs, and notice out-of-scope texts better. Nothing is added to the network: what its encoder gives becomes
one vector, and the head that transformers has takes the first, as ever. BERT's pooler, a layer that turns the first token's
vector into what the head takes, is left out: the mean is that already. `config.json` says "pooling": "mean".
"""

from typing import Any

from torch import Tensor, nn

from pipeline.models.students import layer_stack

POOLINGS = ("first", "mean")


def pooling_of(model: Any) -> str:
    """ "first" or "mean"."""
    return str(getattr(model.config, "pooling", "first"))


def pool(model: Any, pooling: str | None = None) -> Any:
    """A network that pools as its configuration says, or as is said here, which its configuration says from then on.

    Raises OptimizationError where its layers lie elsewhere than BERT's.
    """
    if pooling is not None and pooling != "first":
        model.config.pooling = pooling
    if pooling_of(model) == "mean" and not isinstance(getattr(model, "mean_of", None), Mean):
        stack = layer_stack(model)
        model.mean_of = Mean()
        model.base_model.register_forward_pre_hook(model.mean_of.remember, with_kwargs=True)
        stack.register_forward_hook(model.mean_of.average)
        if getattr(model.base_model, "pooler", None) is not None:
            model.base_model.pooler = First()
    return model


class First(nn.Module):
    """Hidden states (n, length, width) -> the first of each text (n, width)."""

    def forward(self, hidden: Tensor) -> Tensor:
        """See the class."""
        return hidden[:, 0]


class Mean(nn.Module):
    """Two hooks that know of each other; a copy of a network gets a copy of both."""

    def __init__(self) -> None:
        super().__init__()
        self._mask: Tensor | None = None

    def remember(self, module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        """Before the network runs: the attention mask, int64 (n, length), 1 for each token that counts; None: all do."""
        self._mask = named.get("attention_mask")

    def average(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
        """After its layers: hidden states (n, length, width) become their mean (n, 1, width)."""
        hidden = output[0]
        if self._mask is None:
            mean = hidden.mean(1, keepdim=True)
        else:
            counts = self._mask.to(hidden.dtype)
            mean = (counts / counts.sum(1, keepdim=True)).unsqueeze(1) @ hidden  # fewer steps than to multiply and to add up
        output.last_hidden_state = mean
        return output
