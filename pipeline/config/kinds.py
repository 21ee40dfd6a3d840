"""The base classes of steps and data sources, and the registry of their kinds."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.config.settings import MISSING, Settings, plain, setting

if TYPE_CHECKING:
    from pipeline.config import Backbone
    from pipeline.data.splits import Splits
    from pipeline.models.outline import Outline
    from pipeline.steps.base import Context

KINDS: dict[str, dict[str, type]] = {"step": {}, "data": {}}


def kind(group: str, name: str) -> Callable[[type], type]:
    """Class decorator: registers a frozen dataclass for `kind: name` in the files of `conf/<group>/`."""

    def register(cls: type) -> type:
        KINDS[group][name] = cls
        return cls

    return register


@dataclass(frozen=True)
class Step(Settings, ABC):
    """One operation on a classifier. Its fields are the keys of its YAML; `make` does the work.

    The kinds are in `pipeline/steps/`. A step reads the previous stage and writes a new directory; it changes nothing else.
    """

    kind: str = MISSING

    code_version: ClassVar[int] = 1  # increase it when the same settings give other bytes than before
    takes: ClassVar[tuple[str, ...]] = ()  # forms of classifier that it changes, or `steps.base.ANY`; empty: it makes one
    gives: ClassVar[str] = ""  # the form that it writes: "torch", "torch_int8", "onnx", "onnx_int8", ...
    tasks: ClassVar[tuple[str, ...]] = ()  # names of the tasks whose classifiers it can make or change; empty: all
    learns: ClassVar[bool] = True  # whether it reads training texts, see `needs_train`
    ignored: ClassVar[tuple[str, ...]] = ()  # settings that do not influence the bytes, such as a path (`inputs` has a hash)

    def role(self, backbone: "Backbone") -> str | None:
        """The weights of the backbone that it starts from: "teacher", "student" or "distilled"; None: none of them."""
        return None

    def needs(self, backbone: "Backbone") -> dict[str, "Optim"]:
        """Other optimizations whose artifacts `make` reads as `context.needed`; they are run before this step."""
        return {}

    def needs_train(self, backbone: "Backbone") -> bool:
        """Whether `make` reads training texts; what does not works where the data has test texts alone."""
        return self.learns

    def check_task(self, backbone: "Backbone", task: str) -> None:
        """Raises ConfigError where a setting is not for the task of this name, which may be known before the data."""

    def inputs(self, context: "Context") -> dict[str, Any]:
        """What influences the bytes besides the settings and the previous stage: data, seed, weights, library versions.

        Raises UserError if something that the step needs is missing.
        """
        return {}

    def check(self, context: "Context", source: "Outline | None", needed: "Mapping[str, Outline]") -> "Outline | None":
        """Whether `make` can work, as far as that is known before anything is trained; what it will give.

        source: what the previous step will give, None for the first step; needed: what the optimizations in `needs` will
        give. Raises UserError if the data, the source's network or its tokenizer is not of the kind that the step takes.
        """
        return source

    def decisive(self) -> dict[str, Any]:
        """The settings that decide the bytes: all but those in `ignored` and other optimizations (see `needs`)."""
        optims = {item.name for item in dataclasses.fields(self) if isinstance(getattr(self, item.name), Optim)}
        return {key: value for key, value in plain(self).items() if key not in {*self.ignored, *optims}}

    @abstractmethod
    def make(self, context: "Context", artifact: Path, scratch: Path) -> dict[str, Any]:
        """Write the artifact into the empty directory `artifact`; returns notes for the stage's manifest.

        Files in `scratch` survive a kill, so that the step can continue from them. Notes that are shown: "curves" (one dict
        per epoch) and "metrics" (name in MLflow -> float). Raises OptimizationError if the step does not work with this
        classifier, or if a check of the result fails.
        """


@dataclass(frozen=True)
class Optim(Settings):
    """An optimization: named steps, which run in this order."""

    name: str = setting(MISSING, name=True)
    steps: dict[str, Step] = field(default_factory=dict)


@dataclass(frozen=True)
class DataSource(Settings, ABC):
    """A source of texts and labels. Each kind in `pipeline/data/sources.py` adds its own settings."""

    kind: str = MISSING
    name: str = setting(MISSING, name=True)  # with the backbone's name, it names the MLflow experiment
    oos_label: str | None = None  # the label that means "out of scope", if there is one
    label_names: list[str] | None = None  # what the numbers 0, 1, ... stand for as labels, and LABEL_0, ... of a checkpoint

    @property
    def known_task(self) -> str | None:
        """The name of the task where the settings say it; None: the data must be read to know it."""
        return None

    @abstractmethod
    def load(self, seed: int) -> "Splits":
        """Read and check the data. Missing splits are drawn from train with `seed`.

        Raises DataError if the data is missing or can't be used.
        """
