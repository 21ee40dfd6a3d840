"""`recovery_distillation`: brings back accuracy that earlier steps cost, by training all weights on the teacher's logits.

It follows steps that change a network without training it, such as `trim_vocabulary` and `low_rank`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pipeline.config import kind
from pipeline.models.outline import Outline
from pipeline.steps.base import Context
from pipeline.steps.shared.distilling import Distilling


@kind("step", "recovery_distillation")
@dataclass(frozen=True)
class RecoveryDistillation(Distilling):
    """Settings of `conf/step/recovery_distillation.yaml`."""

    freeze_embeddings: bool = False

    code_version: ClassVar[int] = 5
    takes: ClassVar[tuple[str, ...]] = ("torch",)

    def check(self, context: Context, source: Outline | None, needed: Mapping[str, Outline]) -> Outline | None:
        """Raises OptimizationError if it can't learn from this teacher."""
        if source is not None:
            self.check_losses(source, needed["teacher"], context.splits.task.pairs)
        return source

    def make(self, context: Context, artifact: Path, scratch: Path) -> dict[str, Any]:
        """Train; notes: "curves"."""
        from pipeline.runtimes.base import Description
        from pipeline.runtimes.torch import read, read_tokenizer, save_fitting

        assert context.source is not None
        model, tokenizer = read(context.source), read_tokenizer(context.source)
        curves = self.learn(model, tokenizer, context, scratch)
        save_fitting(model, tokenizer, Description.read(context.source), artifact, context.tokenizer_texts)
        return {"curves": curves}
