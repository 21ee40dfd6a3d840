"""What is known of a classifier before it is made: enough to say that a later step can't work, before anything is trained.

Its network has shapes but no weights: it is on torch's device "meta". Not here: which step gives what (`steps/`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.config import Backbone
from pipeline.models.checkpoints import locate, weights_of


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

    model, tokenizer = start(backbone, role, labels, seed)
    return Outline(network=model.to("meta"), tokenizer=tokenizer)


def outline_of_checkpoint(
    directory: Path, labels: Sequence[str], max_length: int, label_names: Sequence[str] = ()
) -> Outline:
    """Of a fine-tuned checkpoint. Raises what `build.checkpoint` raises, since it reads the weights."""
    from pipeline.models.build import checkpoint

    model, tokenizer = checkpoint(directory, labels, max_length, label_names=label_names)
    return Outline(network=model.to("meta"), tokenizer=tokenizer)
