"""What every classifier has in common: the protocol, the description beside the weights, tokenization."""

import importlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from pipeline.runtimes.decision_rule import Rule

DESCRIPTION = "classifier.json"
TOKENIZER = "tokenizer.json"
Loaded = TypeVar("Loaded")


class Classifier(Protocol):
    """Turns texts into logits; `labels[i]` names column i. Beside it a runtime says what it needs: `packages(artifact)`."""

    labels: list[str]

    def encode(self, texts: Sequence[str]) -> tuple[Any, ...]:
        """What its network takes: first token ids and attention mask, int64 (len(texts), tokens of the longest text)."""
        ...

    def forward(self, *encoded: Any) -> np.ndarray:
        """Logits of what `encode` gave: float32 (len(texts), len(labels))."""
        ...

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        """Both: float32 (len(texts), len(labels))."""
        ...


@dataclass(frozen=True)
class Description:
    """`classifier.json`: what a directory needs to be served, besides weights and tokenizer."""

    runtime: str  # a module of this package
    labels: list[str]
    max_length: int  # tokens; longer texts are cut
    oos: int | None = None  # index of the out-of-scope label
    pad_id: int = 0  # the token that fills up short texts of a batch
    decision: dict[str, Any] | None = None  # see `pipeline.runtimes.decision_rule`; None: the largest logit
    trained: bool = True  # False: its weights are random, so only its size and its latency mean something
    batched: bool = True  # False: what texts share a batch changes their logits, so each is answered alone
    format: int = 1

    @property
    def rule(self) -> Rule:
        """How its logits become answers. Raises ValueError or TypeError when that is damaged."""
        return Rule.of(self.decision, self.oos)

    def batch(self, size: int) -> int:
        """How many texts are answered at once where it is the answers that count: `size`, or 1 (see `batched`)."""
        return size if self.batched else 1

    def write(self, artifact: Path) -> None:
        """Write it into an artifact directory."""
        (artifact / DESCRIPTION).write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, artifact: Path) -> "Description":
        """Read it from an artifact directory. Raises OSError, ValueError or TypeError when it is not one."""
        return cls(**json.loads((artifact / DESCRIPTION).read_text(encoding="utf-8")))


def load(artifact: Path, threads: int) -> Classifier:
    """The classifier in an artifact directory, using at most `threads` threads.

    Raises what its runtime raises, OSError or ValueError most often, when the directory is not a whole artifact.
    """
    description = Description.read(artifact)
    if not description.runtime.isidentifier():
        raise ValueError(f"{artifact / DESCRIPTION}: runtime {description.runtime!r} is not a name")
    runtime: Any = importlib.import_module(f"pipeline.runtimes.{description.runtime}")
    classifier: Classifier = runtime.open(artifact, description, threads)
    return classifier


def packages_of(artifact: Path) -> tuple[str, ...]:
    """The packages that the classifier in an artifact directory needs, by their names on the package index."""
    runtime: Any = importlib.import_module(f"pipeline.runtimes.{Description.read(artifact).runtime}")
    packages: tuple[str, ...] = runtime.packages(artifact)
    return packages


def checked_open(artifact: Path, files: Sequence[str], made: Callable[[], Loaded]) -> Loaded:
    """What `made` makes. Raises FileNotFoundError when one of the files is missing, ValueError when it can't be read."""
    for name in files:
        if not (artifact / name).is_file():
            raise FileNotFoundError(f"{artifact / name}: no such file; the artifact is not whole")
    try:
        return made()
    except Exception as error:  # each library has types of its own, below Exception
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise ValueError(f"{artifact}: not a classifier that can be read: {first}") from error


class Encoder:
    """Texts -> padded token ids, with the `tokenizers` library alone."""

    def __init__(self, artifact: Path, max_length: int, pad_id: int, threads: int) -> None:
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false" if threads == 1 else "true")
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(artifact / TOKENIZER))
        self._tokenizer.enable_truncation(max_length)
        self._tokenizer.enable_padding(pad_id=pad_id, pad_token=self._tokenizer.id_to_token(pad_id))

    def __call__(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Token ids and attention mask, both int64 (len(texts), longest text of the batch)."""
        encodings = self._tokenizer.encode_batch_fast(list(texts))
        ids = np.array([encoding.ids for encoding in encodings], dtype=np.int64)
        mask = np.array([encoding.attention_mask for encoding in encodings], dtype=np.int64)
        return ids, mask
