"""What a step is given, and small helpers of steps. What a step must have is in `pipeline.config.Step`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.config import Backbone
from pipeline.data.splits import Splits, typical_texts
from pipeline.system.packages import version
from pipeline.tasks.inputs import Input


@dataclass(frozen=True)
class Context:
    """Everything a step may use besides its own settings."""

    splits: Splits
    backbone: Backbone
    seed: int
    source: Path | None = None  # the previous step's artifact directory; None for the first step
    needed: Mapping[str, Path] = field(default_factory=dict)  # artifact directories of the optimizations in `Step.needs`
    on_trial: Callable[[dict[str, Any]], None] = lambda trial: None  # called with each trial of a search when it ends

    @property
    def tokenizer_texts(self) -> list[Input]:
        """Texts on which the tokenizer of an artifact is compared with that of the training."""
        given = [split for split in (self.splits.train, self.splits.validation) if len(split)]
        return typical_texts(*given)


ANY = ("any",)  # `Step.takes` of a step that changes no weights


def versions(*packages: str) -> dict[str, str]:
    """Installed versions, without importing the packages."""
    return {name: version(name) for name in packages}
