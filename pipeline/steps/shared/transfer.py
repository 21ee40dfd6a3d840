"""The transfer set: the texts a student is distilled on, with the teacher's logits, computed once and kept as a stage.

It has the texts of the train split and those that `augment` adds. It has no file in `conf/step/`: steps that distil append
it to their teacher's steps.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from pipeline.config import Step, plain
from pipeline.data.augmentation import Augment, augment_inputs, unlabelled_inputs
from pipeline.errors import DataError
from pipeline.models.checkpoints import sha256
from pipeline.models.outline import Outline
from pipeline.runtimes.base import TOKENIZER, Description
from pipeline.steps.base import ANY, Context, versions
from pipeline.steps.shared.inference import logits_of
from pipeline.tasks.base import LABEL
from pipeline.tasks.inputs import Input, columns_of, inputs_of

if TYPE_CHECKING:
    from datasets import Dataset

log = logging.getLogger(__name__)
TEXTS, LOGITS = "texts.parquet", "logits.npy"
BATCH = 64  # texts


@dataclass(frozen=True)
class Transfer(Step):
    """Writes `texts.parquet`: text, for pairs text_pair, label (or `Task.unlabelled`), and `logits.npy`: float32."""

    kind: str = "transfer"
    augment: Augment = field(default_factory=Augment)

    code_version: ClassVar[int] = 2
    takes: ClassVar[tuple[str, ...]] = ANY
    gives: ClassVar[str] = "transfer"
    ignored: ClassVar[tuple[str, ...]] = ("augment",)

    def inputs(self, context: Context) -> dict[str, Any]:
        """Data, augmentation, and a hash of the unlabelled file. Raises DataError when there is no such file."""
        settings = plain(self.augment)
        path = settings.pop("unlabelled")
        if self.augment.copies:
            settings["seed"] = context.seed
        else:
            settings = {}
        if path is not None and not Path(path).expanduser().is_file():
            raise DataError(f"augment.unlabelled={path}: no such file")
        return {
            "data": context.splits.content_hash,
            "augment": settings,
            "unlabelled": None if path is None else sha256(Path(path).expanduser()),
            "versions": versions("numpy", "torch", "transformers", "tokenizers", "onnxruntime"),
        }

    def check(self, context: Context, source: Outline | None, needed: Mapping[str, Outline]) -> Outline | None:
        """Raises DataError if the unlabelled file can't be read."""
        if self.augment.unlabelled is not None:
            unlabelled_inputs(Path(self.augment.unlabelled).expanduser(), context.splits.task.pairs)
        return source

    def make(self, context: Context, artifact: Path, scratch: Path) -> dict[str, Any]:
        """Make the texts and compute their logits."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        assert context.source is not None
        train = context.splits.train
        own = inputs_of(train)
        added = augment_inputs(own, _unknown(context.source), self.augment, context.seed) + self._unlabelled(context)
        labels = [*train[LABEL], *[context.splits.task.unlabelled] * len(added)]
        texts = {name: pa.array(column, pa.large_string()) for name, column in columns_of(own + added).items()}
        pq.write_table(pa.table({**texts, LABEL: labels}), artifact / TEXTS)
        logits_of(context.source, own + added, "teacher logits", BATCH, artifact / LOGITS)
        return {"runtime": Description.read(context.source).runtime, "texts": len(own), "added": len(added)}

    def _unlabelled(self, context: Context) -> list[Input]:
        """The texts of the file that are in no split, so that nothing is learned from texts that are measured."""
        if self.augment.unlabelled is None:
            return []
        splits = context.splits
        known = {text for split in (splits.train, splits.validation, splits.test) for text in inputs_of(split)}
        texts = unlabelled_inputs(Path(self.augment.unlabelled).expanduser(), splits.task.pairs)
        fresh = [text for text in texts if text not in known]
        if len(fresh) < len(texts):
            log.info("%d of %d unlabelled texts are also in the data and are left out", len(texts) - len(fresh), len(texts))
        return fresh


def read(artifact: Path) -> tuple["Dataset", np.ndarray]:
    """The texts with their labels, and the teacher's logits: float32 (texts, labels), which stay in their file."""
    import pyarrow.parquet as pq
    from datasets import Dataset

    return Dataset(pq.read_table(artifact / TEXTS)), np.load(artifact / LOGITS, mmap_mode="c", allow_pickle=False)


def _unknown(artifact: Path) -> str:
    """The tokenizer's unknown token; an empty string if a text can't have it, as of byte-level vocabularies."""
    from tokenizers import Tokenizer

    from pipeline.models.coverage import unknown_token

    tokenizer = Tokenizer.from_file(str(artifact / TOKENIZER))
    number = unknown_token(tokenizer)
    name = "" if number is None else str(tokenizer.id_to_token(number))
    return name if tokenizer.encode(name, add_special_tokens=False).ids == [number] else ""
