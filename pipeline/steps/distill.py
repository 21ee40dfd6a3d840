"""`distill`: a student learns from the logits of a fine-tuned teacher, which is an optimization of its own.

The teacher is the very stage that `optim=bert` makes, and its logits are a stage besides: both are made once, whatever is
distilled from them. The loss is in `pipeline/distillation.py`, the search for its settings in `pipeline/search.py`.
"""

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pipeline.backbone.fetch import identity, locate
from pipeline.config import Backbone, Optim, Settings, kind, setting
from pipeline.errors import ConfigError, OptimizationError
from pipeline.steps.base import Context
from pipeline.steps.load import store_checkpoint
from pipeline.steps.logits import FILE, Logits
from pipeline.steps.trained import Trained

log = logging.getLogger(__name__)

SEARCHED = ("epochs", "alpha", "temperature", "learning_rate")


@dataclass(frozen=True)
class Search(Settings):
    """Ranges, low and high, both included, for a search on the validation split; [x, x] keeps a setting at x."""

    n_trials: int = setting(0, min=0)
    epochs: list[int] = field(default_factory=lambda: [5, 10])
    alpha: list[float] = field(default_factory=lambda: [0.0, 1.0])
    temperature: list[float] = field(default_factory=lambda: [1.0, 20.0])
    learning_rate: list[float] = field(default_factory=lambda: [1e-4, 5e-4])

    def __post_init__(self) -> None:
        super().__post_init__()
        limits = {"epochs": (1, 1000), "alpha": (0, 1), "temperature": (0.01, 1000), "learning_rate": (1e-8, 1)}
        for name, (least, most) in limits.items():
            ends = list(getattr(self, name))
            if len(ends) != 2 or not least <= ends[0] <= ends[1] <= most:
                raise ConfigError(f"{name}={ends}: must be [low, high], between {least} and {most}")


@kind("step", "distill")
@dataclass(frozen=True)
class Distill(Trained):
    """Settings of `conf/step/distill.yaml`."""

    teacher: Optim = field(default_factory=Optim)
    start: str = setting("auto", choices=("auto", "student", "teacher"))
    layers: list[int] | None = None
    alpha: float = setting(0.0, min=0, max=1)
    temperature: float = setting(6.0, above=0, max=1000)
    epochs: int = setting(12, min=1)
    learning_rate: float = setting(3e-4, above=0, max=1)
    search: Search = field(default_factory=Search)

    code_version: ClassVar[int] = 1
    gives: ClassVar[str] = "torch"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.layers is not None and self.start == "student":
            raise ConfigError(f"layers={list(self.layers)}: they are the teacher's; leave them out, or set start=teacher")

    @property
    def ignored(self) -> tuple[str, ...]:  # type: ignore[override]  # a class variable in other steps
        """With a search what it chooses, without one its ranges."""
        return SEARCHED if self.search.n_trials else ("search",)

    def role(self, backbone: Backbone) -> str:
        """The distilled student, if there is one, else what the student starts from."""
        return "distilled" if backbone.distilled.finetuned else self._starts_from(backbone)

    def needs(self, backbone: Backbone) -> dict[str, Optim]:
        """The teacher, and its logits on the train split; neither where the backbone has a distilled student already."""
        if backbone.distilled.finetuned:
            return {}
        if not self.teacher.steps:
            raise ConfigError("a distill step has no teacher; /optim/bert@steps.NAME.teacher in its defaults gives it one")
        logits = Optim(self.teacher.name, {**self.teacher.steps, "logits": Logits()})
        return {"teacher": self.teacher, "logits": logits}

    def inputs(self, context: Context) -> dict[str, Any]:
        """Raises BackboneError when the student's weights are not to be had."""
        backbone = context.backbone
        if backbone.distilled.finetuned:
            weights = identity(backbone, "distilled")
        else:
            weights = identity(backbone, "student") if self._starts_from(backbone) == "student" else "teacher"
        return super().inputs(context) | {"oos": context.splits.oos, "weights": weights}

    def _starts_from(self, backbone: Backbone) -> str:
        own = not (backbone.student.from_teacher or backbone.student.random)
        return ("student" if own and self.layers is None else "teacher") if self.start == "auto" else self.start

    def make(self, context: Context, artifact: Path, scratch: Path) -> dict[str, Any]:
        """Train, after a search if one is asked for; notes: curves, and "search" (see `pipeline.search.search`)."""
        if context.backbone.distilled.finetuned:
            log.info("the backbone has a distilled student: loaded, not trained")
            return store_checkpoint(locate(context.backbone.distilled, "distilled"), context, artifact)
        from pipeline.classifiers.base import Description
        from pipeline.classifiers.compact import FILE as COMPACT
        from pipeline.classifiers.torch import save, save_compact

        notes: dict[str, Any] = {}
        best = self
        if self.search.n_trials:
            notes["search"] = self._search(context, scratch / "search")
            best = replace(self, **notes["search"]["best"])
            log.info("the best setting is trained: %s", notes["search"]["best"])
        model, tokenizer, notes["curves"] = best.trained(context, scratch / "training")
        labels, length = list(context.splits.labels), context.backbone.max_length
        resized = (context.needed["teacher"] / COMPACT).exists() and self._starts_from(context.backbone) == "teacher"
        store = save_compact if resized else save
        store(model, tokenizer, Description("torch", labels, length, context.splits.oos), artifact)
        return notes

    def trained(
        self, context: Context, scratch: Path, callbacks: tuple[Any, ...] = ()
    ) -> tuple[Any, Any, list[dict[str, float]]]:
        """The student, its tokenizer and its curves."""
        from pipeline.distillation import objective
        from pipeline.training import train

        model, tokenizer = self._student(context)
        logits = np.load(context.needed["logits"] / FILE, allow_pickle=False)
        recipe, goal = self.recipe(context), objective(logits, self.alpha, self.temperature)
        splits = context.splits
        return model, tokenizer, train(model, tokenizer, splits.train, splits.validation, recipe, scratch, goal, callbacks)

    def _student(self, context: Context) -> tuple[Any, Any]:
        from pipeline.backbone.models import start
        from pipeline.classifiers.base import Description
        from pipeline.classifiers.torch import read, read_tokenizer
        from pipeline.distillation import shallower

        if self._starts_from(context.backbone) == "student":
            return start(context.backbone, "student", list(context.splits.labels), context.seed)
        teacher = context.needed["teacher"]
        if Description.read(teacher).runtime != "torch":
            raise OptimizationError(
                "a student can't start from the layers of a quantized or exported teacher; set start=student"
            )
        return shallower(read(teacher), self.layers), read_tokenizer(teacher)

    def _search(self, context: Context, scratch: Path) -> dict[str, Any]:
        from pipeline.search import Space, search

        ranges = self.search
        spaces = {
            "epochs": Space(ranges.epochs[0], ranges.epochs[1], whole=True),
            "alpha": Space(ranges.alpha[0], ranges.alpha[1]),
            "temperature": Space(ranges.temperature[0], ranges.temperature[1]),
            "learning_rate": Space(ranges.learning_rate[0], ranges.learning_rate[1], log=True),
        }

        def train(settings: dict[str, float], folder: Path, reporter: Any) -> float:
            _, _, curves = replace(self, **settings).trained(context, folder, (reporter,))  # type: ignore[arg-type]
            return max(epoch["validation_accuracy"] for epoch in curves)

        return search(spaces, ranges.n_trials, context.seed, scratch, train, context.on_trial)
