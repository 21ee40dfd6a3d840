"""What a step is given and what it must have. A step reads the previous stage, writes a new directory, alters nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, Protocol

from pipeline.config import Backbone, Optim, Step
from pipeline.data.splits import Splits


@dataclass(frozen=True)
class Context:
    """Everything a step may use besides its own settings."""

    splits: Splits
    backbone: Backbone
    seed: int
    source: Path | None = None  # the previous step's artifact directory; None for the first step
    needed: Mapping[str, Path] = field(default_factory=dict)  # artifact directories of what `StepKind.needs` names
    on_trial: Callable[[dict[str, Any]], None] = lambda trial: None  # told of each trial of a search as it ends


ANY = ("any",)  # what a step takes that changes no weights


class StepKind(Protocol):
    """The interface of the classes under `@kind("step", NAME)`."""

    code_version: ClassVar[int]  # raised when the same settings would give other bytes than before
    takes: ClassVar[
        tuple[str, ...]
    ]  # forms of classifier that it changes, or ANY; empty: it makes one, and is the first step
    gives: ClassVar[str]  # the form of what it writes: "torch", "torch_int8", "onnx", "onnx_int8", ...
    ignored: ClassVar[tuple[str, ...]]  # settings that do not decide the bytes, as where something lies: `inputs` has that

    def needs(self, backbone: Backbone) -> dict[str, Optim]:
        """Other optimizations whose artifacts `make` reads, as `context.needed`; they are carried out before."""
        ...

    def inputs(self, context: Context) -> dict[str, Any]:
        """What decides the bytes besides the settings and the previous stage: data, seed, weights, library versions."""
        ...

    def make(self, context: Context, artifact: Path, scratch: Path) -> dict[str, Any]:
        """Write the artifact into the empty directory `artifact`; returns notes for the stage's manifest.

        `scratch` survives a kill: what lies there can be gone on with. Notes that are shown: "curves" (one dict an epoch)
        and "metrics" (name in MLflow -> float: what was checked or reached). Raises OptimizationError when it can't be done
        with this classifier, or when a check of the result fails.
        """
        ...


def as_kind(step: Step) -> StepKind:
    """A step's settings, seen as what carries them out."""
    return step  # type: ignore[return-value]  # every class in the registry has the protocol's members


def versions(*packages: str) -> dict[str, str]:
    """Installed versions, without importing the packages."""
    return {name: version(name) for name in packages}
