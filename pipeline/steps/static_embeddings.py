"""`static`: the mean of word-piece vectors that a backbone gives each piece, trained on from a teacher's logits.

Embeddings and a small head, no layers: tens of microseconds on any processor. Its network is in `models/`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pipeline.config import kind, setting
from pipeline.errors import ConfigError
from pipeline.runtimes.base import TOKENIZER, Description
from pipeline.steps.base import Context
from pipeline.steps.shared.distilling import Distilling, read_teacher


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

    code_version: ClassVar[int] = 1
    gives: ClassVar[str] = "static"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.hidden_loss_weight or self.relation_loss_weight:
            raise ConfigError(
                "static has no layers whose hidden states or relations could be learned; set both weights to 0"
            )

    def inputs(self, context: Context) -> dict[str, Any]:
        """As the others that learn from a teacher."""
        return super().inputs(context) | {"oos": context.splits.oos}

    def make(self, context: Context, artifact: Path, scratch: Path) -> dict[str, Any]:
        """Make the vectors, train; notes: curves."""
        import torch
        from safetensors.numpy import save_file

        from pipeline.models.static_embeddings import StaticNetwork, vectors_of
        from pipeline.runtimes.static import WEIGHTS, quantized
        from pipeline.runtimes.torch import read_tokenizer

        teacher = read_teacher(context, "give it a teacher in torch")
        tokenizer, labels = read_tokenizer(context.needed["teacher"]), list(context.splits.labels)
        vectors = vectors_of(teacher, tokenizer, min(self.hidden_size, teacher.config.hidden_size))
        torch.manual_seed(context.seed)
        network = StaticNetwork(vectors, self.intermediate_size, len(labels))
        curves = self.learn(network, tokenizer, context, scratch)
        state = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
        state["vectors"], state["scales"] = quantized(state.pop("vectors.weight"))
        save_file(state, artifact / WEIGHTS)
        (artifact / TOKENIZER).write_bytes((context.needed["teacher"] / TOKENIZER).read_bytes())
        pad_id = teacher.config.pad_token_id or 0
        Description("static", labels, context.backbone.max_length, context.splits.oos, pad_id).write(artifact)
        return {"curves": curves}
