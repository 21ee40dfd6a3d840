"""`random_init`: a BERT of any size with random weights, as a baseline for size and latency.

Size and latency do not depend on the weights. Its answers mean nothing, so their quality is not measured.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pipeline.config import Backbone, Step, kind, setting
from pipeline.errors import ConfigError
from pipeline.models.checkpoints import identity
from pipeline.models.outline import Outline, outline_of_start
from pipeline.steps.base import Context, versions


@kind("step", "random_init")
@dataclass(frozen=True)
class RandomInit(Step):
    """Settings of `conf/step/random_init.yaml`: those of BERT-base."""

    num_layers: int = setting(12, min=1)
    hidden_size: int = setting(768, min=1)
    num_heads: int = setting(12, min=1)
    intermediate_size: int = setting(3072, min=1)
    max_positions: int = setting(512, min=8)

    code_version: ClassVar[int] = 3
    gives: ClassVar[str] = "torch"
    learns: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.hidden_size % self.num_heads:
            raise ConfigError(f"hidden_size={self.hidden_size}: must be a multiple of num_heads={self.num_heads}")

    def role(self, backbone: Backbone) -> str:
        """The teacher, for its tokenizer."""
        return "teacher"

    def inputs(self, context: Context) -> dict[str, Any]:
        """The labels, and the teacher's weights, with the tokenizer. Raises ConfigError when texts are too long."""
        if context.backbone.max_length > self.max_positions:
            raise ConfigError(
                f"backbone.max_length={context.backbone.max_length}: must be at most max_positions={self.max_positions}"
            )
        return {
            "labels": list(context.splits.labels),
            "oos": context.splits.oos,
            "task": context.splits.task.name,
            "max_length": context.backbone.max_length,
            "tokenizer": identity(context.backbone, "teacher"),
            "versions": versions("torch", "transformers", "tokenizers"),
        }

    def check(self, context: Context, source: Outline | None, needed: Mapping[str, Outline]) -> Outline:
        """Raises BackboneError without a tokenizer."""
        import torch

        labels = list(context.splits.labels)
        tokenizer = outline_of_start(context.backbone, "teacher", labels, context.seed).tokenizer
        with torch.device("meta"):
            return Outline(network=self._network(labels, tokenizer), tokenizer=tokenizer, trained=False)

    def make(self, context: Context, artifact: Path, scratch: Path) -> dict[str, Any]:
        """Write the network with the backbone's tokenizer."""
        import torch

        from pipeline.models.build import start
        from pipeline.runtimes.base import Description
        from pipeline.runtimes.torch import save

        labels, length = list(context.splits.labels), context.backbone.max_length
        _, tokenizer = start(context.backbone, "teacher", labels, context.seed)
        torch.manual_seed(0)
        model = self._network(labels, tokenizer)
        description = Description(
            "torch", labels, length, context.splits.oos, trained=False, task=context.splits.task.name,
            **context.backbone.windows,
        )  # fmt: skip
        save(model, tokenizer, description, artifact, context.tokenizer_texts)
        return {}

    def _network(self, labels: list[str], tokenizer: Any) -> Any:
        from transformers import BertConfig, BertForSequenceClassification

        names = dict(enumerate(labels))
        config = BertConfig(
            vocab_size=len(tokenizer), hidden_size=self.hidden_size, num_hidden_layers=self.num_layers,
            num_attention_heads=self.num_heads, intermediate_size=self.intermediate_size,
            max_position_embeddings=self.max_positions, pad_token_id=tokenizer.pad_token_id,
            num_labels=len(labels), id2label=names, label2id={name: i for i, name in names.items()},
        )  # fmt: skip
        return BertForSequenceClassification(config)
