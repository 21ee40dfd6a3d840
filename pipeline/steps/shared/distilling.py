"""What the steps that learn from a teacher share: the settings, the transfer set and the training.

The teacher is the same stage that `optim=baseline` makes, and its logits on the transfer set are another stage: both are
made once for all students. The loss is in `pipeline/training/distillation.py`.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from pipeline.config import Backbone, Optim, setting
from pipeline.data.augmentation import Augment
from pipeline.errors import ConfigError, OptimizationError
from pipeline.models.outline import Outline
from pipeline.steps.base import Context
from pipeline.steps.shared.trained import Trained, balanced_weights
from pipeline.steps.shared.transfer import Transfer, read

NO_LAYER_LOSSES = "set hidden_loss_weight=0 and relation_loss_weight=0"


@dataclass(frozen=True)
class Distilling(Trained):
    """A step that learns from a teacher's logits, and optionally from its hidden states and relations."""

    teacher: Optim = field(default_factory=Optim)
    alpha: float = setting(0.0, min=0, max=1)
    temperature: float = setting(6.0, above=0, max=1000)
    hidden_loss_weight: float = setting(0.0, min=0)
    relation_loss_weight: float = setting(0.0, min=0)
    augment: Augment = field(default_factory=Augment)
    epochs: int = setting(12, min=1)
    learning_rate: float = setting(3e-4, above=0, max=1)
    dropout: float | None = setting(0.0, min=0, max=0.9)

    gives: ClassVar[str] = "torch"
    ignored: ClassVar[tuple[str, ...]] = ("augment",)  # it is part of the transfer set's fingerprint

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("class_weights", "pos_weight"):
            if getattr(self, name) != "none" and not self.learns_labels:
                raise ConfigError(
                    f"{name}={getattr(self, name)}: it is of the loss on labels, which alpha=0 switches off; set alpha "
                    "above 0, for instance 0.5"
                )

    @property
    def learns_labels(self) -> bool:
        """Whether the loss on labels has a weight."""
        return self.alpha > 0

    def needs(self, backbone: Backbone) -> dict[str, Optim]:
        """The teacher, and the transfer set with its logits."""
        if not self.teacher.steps:
            raise ConfigError(
                f"a {self.kind} step has no teacher; /optim/baseline@steps.NAME.teacher in its defaults gives it one"
            )
        transfer = Optim(self.teacher.name, {**self.teacher.steps, "transfer": Transfer(augment=self.augment)})
        return {"teacher": self.teacher, "transfer": transfer}

    def check_losses(self, student: Outline, teacher: Outline, pairs: bool = False) -> None:
        """Raises OptimizationError if the student can't learn this teacher's hidden states or relations.

        pairs: whether the inputs are pairs of texts.
        """
        if not self.hidden_loss_weight and not self.relation_loss_weight:
            return
        require_torch(teacher.form, NO_LAYER_LOSSES)
        if student.network is None or teacher.network is None:
            return
        import numpy as np

        from pipeline.models.token_types import kind_for
        from pipeline.training.distillation import Distillation, map_token_ids

        types = [kind_for(each.network, each.tokenizer, pairs) for each in (student, teacher)]
        if types[0] != types[1]:
            raise OptimizationError(
                f"of student and teacher only one has token types, as pairs of texts need; {NO_LAYER_LOSSES}"
            )
        map_token_ids(student.tokenizer.get_vocab(), teacher.tokenizer.get_vocab())
        goal = Distillation(np.zeros((0, 2), dtype=np.float32), self.alpha, self.temperature)
        try:
            goal.add_layer_losses(student.network, teacher.network, self.hidden_loss_weight, self.relation_loss_weight)
        finally:
            goal.close()

    def learn(
        self, model: Any, tokenizer: Any, context: Context, scratch: Path, callbacks: tuple[Any, ...] = ()
    ) -> list[dict[str, float]]:
        """Train a network in place; returns its curves. Raises OptimizationError when it can't learn from this teacher."""
        from pipeline.runtimes.torch import read_tokenizer
        from pipeline.training.distillation import Distillation, map_token_ids
        from pipeline.training.trainer import takes_bfloat16, train

        texts, logits = read(context.needed["transfer"])
        task = context.splits.task
        goal = Distillation(logits, self.alpha, self.temperature, task, balanced_weights(self, context))
        if self.hidden_loss_weight or self.relation_loss_weight:
            teacher = read_teacher(context, NO_LAYER_LOSSES)
            if takes_bfloat16(self.bfloat16):
                teacher = teacher.bfloat16()  # its forward pass in float32 takes longer than the rest of a step
            ids = map_token_ids(tokenizer.get_vocab(), read_tokenizer(context.needed["teacher"]).get_vocab())
            goal.add_layer_losses(model, teacher, self.hidden_loss_weight, self.relation_loss_weight, ids)
        try:
            return train(model, tokenizer, texts, context.splits.validation, self.recipe(context), scratch, goal, callbacks)
        finally:
            goal.close()


def read_teacher(context: Context, advice: str) -> Any:
    """The teacher's network. Raises OptimizationError, with `advice`, when the teacher is quantized or exported."""
    from pipeline.runtimes.base import Description
    from pipeline.runtimes.torch import read

    teacher = context.needed["teacher"]
    require_torch(Description.read(teacher).runtime, advice)
    return read(teacher)


def require_torch(form: str, advice: str) -> None:
    """Raises OptimizationError, with `advice`, when the teacher is quantized or exported: when its form is not "torch"."""
    if form != "torch":
        raise OptimizationError(f"a quantized or exported teacher can't give its layers or hidden states; {advice}")
