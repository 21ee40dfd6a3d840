"""`static_embeddings`: the mean of word-piece vectors, made with the teacher and trained on its logits.

It has embeddings and a small head, and no layers: tens of microseconds a text on any processor. The network is in `models/`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pipeline.config import kind, setting
from pipeline.errors import ConfigError
from pipeline.models.outline import Outline
from pipeline.runtimes.base import TOKENIZER, Description
from pipeline.steps.base import Context
from pipeline.steps.shared.distilling import Distilling, read_teacher, require_torch

TORCH_TEACHER = "give it a teacher that is stored as torch"


@kind("step", "static_embeddings")
@dataclass(frozen=True)
class StaticEmbeddings(Distilling):
    """Settings of `conf/step/static_embeddings.yaml`."""

    hidden_size: int = setting(128, min=1)
    intermediate_size: int = setting(256, min=1)
    epochs: int = setting(20, min=1)
    learning_rate: float = setting(3e-3, above=0, max=1)
    batch_size: int = setting(64, min=1)
    freeze_embeddings: bool = False

    code_version: ClassVar[int] = 4
    gives: ClassVar[str] = "static"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.hidden_loss_weight or self.relation_loss_weight:
            raise ConfigError(
                "static_embeddings: the network has no layers, so it can't learn hidden states or relations; "
                "set hidden_loss_weight=0 and relation_loss_weight=0"
            )

    def inputs(self, context: Context) -> dict[str, Any]:
        """Those of a training, and the out-of-scope label."""
        return super().inputs(context) | {"oos": context.splits.oos}

    def check(self, context: Context, source: Outline | None, needed: Mapping[str, Outline]) -> Outline:
        """Raises OptimizationError if the teacher is quantized or exported."""
        require_torch(needed["teacher"].form, TORCH_TEACHER)
        return Outline(tokenizer=needed["teacher"].tokenizer)

    def make(self, context: Context, artifact: Path, scratch: Path) -> dict[str, Any]:
        """Make the vectors and train them; notes: "curves"."""
        import torch
        from safetensors.numpy import save_file

        from pipeline.models.static_embeddings import StaticNetwork, word_piece_vectors
        from pipeline.runtimes.static import WEIGHTS, quantized
        from pipeline.runtimes.torch import read_tokenizer

        teacher = read_teacher(context, TORCH_TEACHER)
        tokenizer, labels = read_tokenizer(context.needed["teacher"]), list(context.splits.labels)
        vectors = word_piece_vectors(teacher, tokenizer, min(self.hidden_size, teacher.config.hidden_size))
        torch.manual_seed(context.seed)
        network = StaticNetwork(vectors, self.intermediate_size, len(labels), context.splits.task.pairs)
        curves = self.learn(network, tokenizer, context, scratch)
        state = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
        state["vectors"], state["scales"] = quantized(state.pop("vectors.weight"))
        save_file(state, artifact / WEIGHTS)
        (artifact / TOKENIZER).write_bytes((context.needed["teacher"] / TOKENIZER).read_bytes())
        backbone, oos, task = context.backbone, context.splits.oos, context.splits.task.name
        Description(
            "static", labels, backbone.max_length, oos, tokenizer.pad_token_id, task=task,
            token_types=network.token_types, **backbone.windows,
        ).write(artifact)  # fmt: skip
        return {"curves": curves}
