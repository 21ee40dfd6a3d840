"""`load_checkpoint`: loads a fine-tuned classifier from a directory or the Hub; its outputs get the data's order."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pipeline.config import MISSING, Step, digest, kind
from pipeline.errors import BackboneError
from pipeline.models.checkpoints import download, sha256
from pipeline.models.folders import require_no_adapter
from pipeline.models.outline import Outline, outline_of_checkpoint
from pipeline.steps.base import Context, versions


@kind("step", "load_checkpoint")
@dataclass(frozen=True)
class LoadCheckpoint(Step):
    """Settings of `conf/step/load_checkpoint.yaml`."""

    checkpoint: str = MISSING
    revision: str | None = None

    code_version: ClassVar[int] = 3
    gives: ClassVar[str] = "torch"
    learns: ClassVar[bool] = False
    ignored: ClassVar[tuple[str, ...]] = ("checkpoint", "revision")

    def inputs(self, context: Context) -> dict[str, Any]:
        """A hash of the checkpoint's files, not its path; the labels in order. Raises BackboneError when it is missing."""
        directory = self._directory()
        files = sorted(path for path in directory.iterdir() if path.is_file())
        return {
            "checkpoint": digest({path.name: sha256(path) for path in files}),
            "labels": list(context.splits.labels),
            "oos": context.splits.oos,
            "task": context.splits.task.name,
            "max_length": context.backbone.max_length,
            **label_names(context),
            "versions": versions("torch", "transformers"),
        }

    def check(self, context: Context, source: Outline | None, needed: Mapping[str, Outline]) -> Outline:
        """Raises what `make` raises."""
        splits, length = context.splits, context.backbone.max_length
        return outline_of_checkpoint(self._directory(), list(splits.labels), length, splits.label_names)

    def make(self, context: Context, artifact: Path, scratch: Path) -> dict[str, Any]:
        """Raises BackboneError when it is not a sequence classifier, or its label names differ from the data's."""
        return store_checkpoint(self._directory(), context, artifact)

    def _directory(self) -> Path:
        local = Path(self.checkpoint).expanduser()
        require_no_adapter(local)
        if (local / "config.json").is_file():
            return local
        if local.is_dir() or self.checkpoint.startswith((".", "/", "~")) or self.checkpoint.count("/") > 1:
            raise BackboneError(f"checkpoint={self.checkpoint}: no such directory, or no config.json in it")
        return download(self.checkpoint, self.revision, "name it as checkpoint")


def label_names(context: Context) -> dict[str, Any]:
    """What `data.label_names` adds to the inputs of a step that loads a checkpoint."""
    return {"label_names": list(context.splits.label_names)} if context.splits.label_names else {}


def store_checkpoint(directory: Path, context: Context, artifact: Path) -> dict[str, Any]:
    """Write a fine-tuned checkpoint as an artifact, its outputs in the order of the data's labels."""
    from pipeline.models.build import checkpoint
    from pipeline.runtimes.base import Description
    from pipeline.runtimes.torch import save

    labels, backbone, task = list(context.splits.labels), context.backbone, context.splits.task
    model, tokenizer = checkpoint(directory, labels, backbone.max_length, task.problem_type, context.splits.label_names)
    description = Description("torch", labels, backbone.max_length, context.splits.oos, task=task.name, **backbone.windows)
    save(model, tokenizer, description, artifact, context.tokenizer_texts)
    return {}
