"""What a step is given and what it must have. A step reads the previous stage, writes a new directory, alters nothing."""

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, Protocol

from pipeline.config import Backbone, Step
from pipeline.data.splits import Splits


@dataclass(frozen=True)
class Context:
    """Everything a step may use besides its own settings."""

    splits: Splits
    backbone: Backbone
    seed: int
    source: Path | None = None  # the previous step's artifact directory; None for the first step


class StepKind(Protocol):
    """The interface of the classes under `@kind("step", NAME)`."""

    code_version: ClassVar[int]  # raised when the same settings would give other bytes than before
    makes_classifier: ClassVar[bool]  # True: may be the first step; False: changes the classifier before it
    places: ClassVar[tuple[str, ...]]  # settings that say where something lies: `inputs` has its bytes instead

    def inputs(self, context: Context) -> dict[str, Any]:
        """What decides the bytes besides the settings and the previous stage: data, seed, weights, library versions."""
        ...

    def make(self, context: Context, artifact: Path, scratch: Path) -> dict[str, Any]:
        """Write the artifact into the empty directory `artifact`; returns notes for the stage's manifest.

        `scratch` survives a kill: what lies there can be gone on with.
        """
        ...


def as_kind(step: Step) -> StepKind:
    """A step's settings, seen as what carries them out."""
    return step  # type: ignore[return-value]  # every class in the registry has the protocol's members


def versions(*packages: str) -> dict[str, str]:
    """Installed versions, without importing the packages."""
    return {name: version(name) for name in packages}
