"""What is known of a classifier before it is made: enough to say that a later step can't work, before anything is trained.

Its network has shapes but no weights: it is on torch's device "meta". Not here: which step gives what (`steps/`).
"""

import functools
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.config import Backbone
from pipeline.errors import BackboneError, UserError
from pipeline.models.architectures import ANY_NETWORK, ARCHITECTURES, architecture_of
from pipeline.models.checkpoints import locate, weights_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outline:
    """A classifier that is planned."""

    form: str = ""  # what the last step gives, see `Step.gives`
    network: Any = None  # the torch network, on the device "meta"; None: there is none, or it is not known
    tokenizer: Any = None  # its transformers tokenizer
    fuse: str | None = None  # how much of an ONNX graph is fused; None: it is no such graph
    trained: bool = True  # False: its weights are random


def outline_of_weights(
    backbone: Backbone, role: str, labels: Sequence[str], seed: int, label_names: Sequence[str] = ()
) -> Outline:
    """Of what a role ("teacher" or "student") begins with: a fine-tuned checkpoint, or what fine-tuning starts from.

    Raises BackboneError when no such network can be made from the weights, or the checkpoint has other labels.
    """
    weights = weights_of(backbone, role)
    if weights.finetuned:
        return outline_of_checkpoint(locate(weights, role), labels, backbone.max_length, label_names)
    return outline_of_start(backbone, role, labels, seed)


def outline_of_start(backbone: Backbone, role: str, labels: Sequence[str], seed: int) -> Outline:
    """Of what fine-tuning starts from. Raises what `build.start` raises, since it reads the weights."""
    from pipeline.models.build import start

    model, tokenizer = _usable(lambda: start(backbone, role, labels, seed))
    return Outline(network=model.to("meta"), tokenizer=tokenizer)


def outline_of_checkpoint(
    directory: Path, labels: Sequence[str], max_length: int, label_names: Sequence[str] = ()
) -> Outline:
    """Of a fine-tuned checkpoint. Raises what `build.checkpoint` raises, since it reads the weights."""
    from pipeline.models.build import checkpoint

    model, tokenizer = _usable(lambda: checkpoint(directory, labels, max_length, label_names=label_names))
    return Outline(network=model.to("meta"), tokenizer=tokenizer)


def _usable(read: Callable[[], tuple[Any, Any]]) -> tuple[Any, Any]:
    """What `read` gives: network and tokenizer. One that is not in the table of architectures is told, and tried.

    Raises BackboneError where it can't answer texts, or answers them otherwise when they are padded.
    """
    try:
        model, tokenizer = read()
        if architecture_of(model.config) is not None:
            return model, tokenizer
        moved = _moved_by_padding(model, tokenizer)
    except UserError:
        raise
    except Exception as error:  # a family may lack anything, and raise any type
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]
        raise BackboneError(f"this network can't be used ({first}); take one of {', '.join(ARCHITECTURES)}") from error
    kind = model.config.model_type
    if moved:
        raise BackboneError(
            f"a network of type {kind!r} answers a text otherwise when it shares a batch with a longer one, so it can't be "
            f"trained and measured alike; take one of {', '.join(ARCHITECTURES)}"
        )
    _told(kind)
    return model, tokenizer


@functools.cache
def _told(kind: str) -> None:
    log.info(
        "a network of type %r is not in the table of architectures: students, pruning, low rank of feed-forward "
        "matrices and mean pooling are not for it; %s", kind, ANY_NETWORK
    )  # fmt: skip


def _moved_by_padding(model: Any, tokenizer: Any) -> bool:
    import torch

    ids = torch.tensor([tokenizer("a b c")["input_ids"]])
    padding = torch.full((1, 5), tokenizer.pad_token_id)
    mask = torch.cat([torch.ones_like(ids), torch.zeros_like(padding)], dim=1)
    with torch.inference_mode():
        alone = model.eval()(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
        padded = model(input_ids=torch.cat([ids, padding], dim=1), attention_mask=mask).logits
    return not torch.allclose(alone, padded, rtol=1e-3, atol=float(1e-3 * alone.std()))
