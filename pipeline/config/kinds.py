"""Steps and data sources: what each kind must have, and the registry that their modules add themselves to."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.config.settings import MISSING, Settings, plain, setting

if TYPE_CHECKING:
    from pipeline.config import Backbone, Optim
    from pipeline.data.splits import Splits
    from pipeline.steps.base import Context

KINDS: dict[str, dict[str, type]] = {"step": {}, "data": {}}


def kind(group: str, name: str) -> Callable[[type], type]:
    """Class decorator: makes a frozen dataclass the meaning of `kind: name` in the files of `conf/<group>/`."""

    def register(cls: type) -> type:
        KINDS[group][name] = cls
        return cls

    return register


@dataclass(frozen=True)
class Step(Settings, ABC):
    """One operation on a classifier: its settings are the keys of its YAML, `make` does the work.

    The kinds are in `pipeline/steps/`. A step reads the previous stage and writes a new directory; it changes nothing else.
    """

    kind: str = MISSING

    code_version: ClassVar[int] = 1  # increased when the same settings would give other bytes than before
    takes: ClassVar[tuple[str, ...]] = ()  # forms of classifier that it changes, or `steps.base.ANY`; empty: it makes one
    gives: ClassVar[str] = ""  # the form of what it writes: "torch", "torch_int8", "onnx", "onnx_int8", ...
    tasks: ClassVar[tuple[str, ...]] = ("single_label",)  # tasks whose classifiers it can make or change
    ignored: ClassVar[tuple[str, ...]] = ()  # settings that do not decide the bytes, such as a path: `inputs` has a hash

    def role(self, backbone: "Backbone") -> str | None:
        """Which of the backbone's weights it starts from: "teacher", "student", "distilled"; None: none of them."""
        return None

    def needs(self, backbone: "Backbone") -> dict[str, "Optim"]:
        """Other optimizations whose artifacts `make` reads as `context.needed`; they are run before this step."""
        return {}

    def inputs(self, context: "Context") -> dict[str, Any]:
        """What decides the bytes besides the settings and the previous stage: data, seed, weights, library versions.

        Raises UserError when something that the step needs is missing.
        """
        return {}

    def decisive(self) -> dict[str, Any]:
        """The settings that decide the bytes: all but those in `ignored` and other optimizations (see `needs`)."""
        from pipeline.config import Optim

        optims = {item.name for item in dataclasses.fields(self) if isinstance(getattr(self, item.name), Optim)}
        return {key: value for key, value in plain(self).items() if key not in {*self.ignored, *optims}}

    @abstractmethod
    def make(self, context: "Context", artifact: Path, scratch: Path) -> dict[str, Any]:
        """Write the artifact into the empty directory `artifact`; returns notes for the stage's manifest.

        Files in `scratch` survive a kill, so that the step can continue from them. Notes that are shown: "curves" (one dict
        an epoch) and "metrics" (name in MLflow -> float: what was checked or reached). Raises OptimizationError when the
        step does not work with this classifier, or when a check of the result fails.
        """


@dataclass(frozen=True)
class DataSource(Settings, ABC):
    """Where texts and labels come from; each kind in `pipeline/data/sources.py` adds its own settings."""

    kind: str = MISSING
    name: str = setting(MISSING, name=True)  # names the MLflow experiment, together with the backbone
    oos_label: str | None = None  # the label that means "out of scope", if there is one

    @abstractmethod
    def load(self, seed: int) -> "Splits":
        """Read and check the data; `seed` decides how missing splits are drawn from train.

        Raises DataError when the data is missing or can't be used.
        """
