"""`distill`: a student learns from the logits of a fine-tuned teacher, which is an optimization of its own.

The student is the backbone's, or made from some of the teacher's layers, heads and neurons. The settings of the loss are in
`shared/distilling.py`, the search for hyper-parameters in `pipeline/training/tuning.py`.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from pipeline.config import Backbone, Optim, Settings, kind, setting
from pipeline.config.backbone import LOSS
from pipeline.errors import ConfigError
from pipeline.models.checkpoints import identity, locate
from pipeline.models.outline import Outline, outline_of_checkpoint, outline_of_start
from pipeline.steps.base import Context
from pipeline.steps.load_checkpoint import store_checkpoint
from pipeline.steps.shared.distilling import Distilling, read_teacher, require_torch
from pipeline.steps.shared.trained import start_training

log = logging.getLogger(__name__)

SEARCHED = ("epochs", "alpha", "temperature", "learning_rate")
TORCH_TEACHER = "set start=student"
IMPORTANCE_TEXTS = 512  # training texts for the importance of neurons


@dataclass(frozen=True)
class Search(Settings):
    """Ranges of a hyper-parameter search on the validation split: [low, high], both included; [x, x] fixes a value."""

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
class Distill(Distilling):
    """Settings of `conf/step/distill.yaml`."""

    start: str = setting("auto", choices=("auto", "student", "teacher"))
    layers: list[int] | None = None
    depth: int | None = setting(None, min=1)
    heads_kept: float = setting(1.0, above=0, max=1)
    neurons_kept: float = setting(1.0, above=0, max=1)
    pooling: str | None = setting(None, choices=("mean",))
    search: Search = field(default_factory=Search)

    code_version: ClassVar[int] = 6

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.layers is not None and self.depth is not None:
            raise ConfigError(f"layers={list(self.layers)} and depth={self.depth}: give one of them")
        if self._of_teacher and self.start == "student":
            named = f"depth={self.depth}" if self.layers is None else f"layers={list(self.layers)}"
            raise ConfigError(f"{named} chooses layers of the teacher; remove it, or set start=teacher")
        if self.search.n_trials and self.best_by == LOSS:
            raise ConfigError("best_by=loss: a search compares trials by another metric; remove it, or search.n_trials")

    def decisive(self) -> dict[str, Any]:
        """Without the settings that a search chooses; without a search, without its ranges."""
        hidden = SEARCHED if self.search.n_trials else ("search",)
        return {key: value for key, value in super().decisive().items() if key not in hidden}

    @property
    def learns_labels(self) -> bool:
        """Whether the loss on labels has a weight, or a search may give it one."""
        return self.search.alpha[1] > 0 if self.search.n_trials else super().learns_labels

    @property
    def _of_teacher(self) -> bool:
        return self.layers is not None or self.depth is not None

    def role(self, backbone: Backbone) -> str:
        """The published distilled student if it is used, else the network that the student starts from."""
        return "distilled" if self._published(backbone) else self._starts_from(backbone)

    def needs(self, backbone: Backbone) -> dict[str, Optim]:
        """Nothing if the backbone's published distilled student is used."""
        return {} if self._published(backbone) else super().needs(backbone)

    def inputs(self, context: Context) -> dict[str, Any]:
        """Besides those of a training, the student's weights. Raises BackboneError without them or with too long texts."""
        backbone = context.backbone
        if self._published(backbone):
            weights = identity(backbone, "distilled")
        else:
            weights = identity(backbone, "student") if self._starts_from(backbone) == "student" else "teacher"
        return super().inputs(context) | {"oos": context.splits.oos, "weights": weights}

    def needs_train(self, backbone: Backbone) -> bool:
        """Not where the published student is used."""
        return not self._published(backbone)

    def check_task(self, backbone: Backbone, task: str) -> None:
        """Nothing is trained where the published student is used."""
        if not self._published(backbone):
            super().check_task(backbone, task)

    def _published(self, backbone: Backbone) -> bool:
        """Whether the backbone's published distilled student is used: it is, unless a shape or start is set."""
        shaped = self._of_teacher or self.start != "auto" or self.heads_kept < 1 or self.neurons_kept < 1
        return backbone.distilled.finetuned and not shaped and self.pooling is None

    def _starts_from(self, backbone: Backbone) -> str:
        own = not (backbone.student.from_teacher or backbone.student.random)
        return ("student" if own and not self._of_teacher else "teacher") if self.start == "auto" else self.start

    def check(self, context: Context, source: Outline | None, needed: Mapping[str, Outline]) -> Outline:
        """Raises OptimizationError if the student can't be made of the teacher, or can't learn what it is to learn."""
        backbone, labels = context.backbone, list(context.splits.labels)
        if self._published(backbone):
            directory, names = locate(backbone.distilled, "distilled"), context.splits.label_names
            return outline_of_checkpoint(directory, labels, backbone.max_length, names)
        teacher = needed["teacher"]
        if self._starts_from(backbone) == "student":
            student = outline_of_start(backbone, "student", labels, context.seed)
        else:
            require_torch(teacher.form, TORCH_TEACHER)
            student = self._outline_of_layers(teacher)
        if student.network is not None:
            self._check_shape(student.network)
        self.check_losses(student, teacher, context.splits.task.pairs)
        return student

    def _check_shape(self, network: Any) -> None:
        from pipeline.models.pooling import pool
        from pipeline.models.units import require_units

        if self.heads_kept < 1 or self.neurons_kept < 1:
            require_units(network, self.heads_kept, self.neurons_kept)
        pool(network, self.pooling)

    def _outline_of_layers(self, teacher: Outline) -> Outline:
        if teacher.network is None:
            return teacher
        from pipeline.models.layers import required
        from pipeline.models.students import depth_of, student_from_layers

        required(teacher.network)
        count = depth_of(teacher.network)
        if self.depth is not None and self.depth > count:
            log.warning("warning: the teacher has only %d layers, and so has its student, not depth=%d", count, self.depth)
        network = student_from_layers(teacher.network, self.layers, self.depth)
        return replace(teacher, network=network)

    def make(self, context: Context, artifact: Path, scratch: Path) -> dict[str, Any]:
        """Train, after a search if `search.n_trials` is set; notes: "curves", and "search" (`training.tuning.search`)."""
        if self._published(context.backbone):
            log.info("the backbone has a published distilled student: it is loaded, not trained")
            return store_checkpoint(locate(context.backbone.distilled, "distilled"), context, artifact)
        from pipeline.runtimes.base import Description
        from pipeline.runtimes.torch import save_fitting

        notes: dict[str, Any] = {}
        best = self
        if self.search.n_trials:
            notes["search"] = self._search(context, scratch / "search")
            best = replace(self, **notes["search"]["best"])
            log.info("training with the best hyper-parameters: %s", notes["search"]["best"])
        model, tokenizer, notes["curves"] = best.trained(context, scratch / "training")
        backbone, task = context.backbone, context.splits.task.name
        description = Description(
            "torch", list(context.splits.labels), backbone.max_length, context.splits.oos, task=task, **backbone.windows
        )
        save_fitting(model, tokenizer, description, artifact, context.tokenizer_texts)
        return notes

    def trained(
        self, context: Context, scratch: Path, callbacks: tuple[Any, ...] = ()
    ) -> tuple[Any, Any, list[dict[str, float]]]:
        """The trained student, its tokenizer and its curves."""
        model, tokenizer = self._student(context)
        if self.heads_kept < 1 or self.neurons_kept < 1:
            from pipeline.models.students import prune_by_importance, sample_batches

            splits, length = context.splits, context.backbone.max_length
            some = sample_batches(
                model, tokenizer, splits.train, IMPORTANCE_TEXTS, length, context.seed, splits.task, len(splits.labels)
            )
            prune_by_importance(model, some, self.heads_kept, self.neurons_kept, splits.task)
        return model, tokenizer, self.learn(model, tokenizer, context, scratch, callbacks)

    def _student(self, context: Context) -> tuple[Any, Any]:
        from pipeline.models.pooling import pool
        from pipeline.models.students import student_from_layers
        from pipeline.runtimes.torch import read_tokenizer

        if self._starts_from(context.backbone) == "student":
            model, tokenizer = start_training(self, context, "student")
        else:
            model = student_from_layers(read_teacher(context, TORCH_TEACHER), self.layers, self.depth)
            tokenizer = read_tokenizer(context.needed["teacher"])
        return pool(model, self.pooling), tokenizer

    def _search(self, context: Context, scratch: Path) -> dict[str, Any]:
        from pipeline.training.tuning import Space, search

        ranges, metric = self.search, self.best_by or context.splits.task.best_by
        spaces = {
            "epochs": Space(ranges.epochs[0], ranges.epochs[1], whole=True),
            "alpha": Space(ranges.alpha[0], ranges.alpha[1]),
            "temperature": Space(ranges.temperature[0], ranges.temperature[1]),
            "learning_rate": Space(ranges.learning_rate[0], ranges.learning_rate[1], log=True),
        }

        def train(settings: dict[str, Any], folder: Path, reporter: Any) -> float:
            _, _, curves = replace(self, **settings).trained(context, folder, (reporter,))
            return max(epoch[f"validation_{metric}"] for epoch in curves)

        return search(spaces, ranges.n_trials, context.seed, scratch, train, context.on_trial, metric)
