"""The parts that all runtimes share: declarations, classifiers, `classifier.json` and tokenization."""

import enum
import importlib
import json
import logging
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np

from pipeline.models import token_types
from pipeline.runtimes.encoder import TOKENIZER as TOKENIZER
from pipeline.runtimes.encoder import Encoder
from pipeline.system.cpu import int8_instructions, int8_support
from pipeline.tasks import SINGLE_LABEL, Task, inputs, task_of
from pipeline.tasks.base import DecisionRule
from pipeline.tasks.inputs import Input

log = logging.getLogger(__name__)
DESCRIPTION = "classifier.json"
BATCH_SIZE = 32  # texts, where nobody sets another number
INPUTS = ("input_ids", "attention_mask", token_types.ARGUMENT)  # of a network, in the order of `encode`
Loaded = TypeVar("Loaded")


class Classifier(ABC):
    """Turns texts, or pairs of texts, into logits; `labels[i]` names column i."""

    labels: list[str]
    batch_independent: bool = True  # False: the other texts of a batch change a text's logits; `load` sets it
    batch_size: int = 1  # texts that share a batch where they change each other's logits; `load` sets it

    @abstractmethod
    def encode(self, texts: Sequence[Input]) -> tuple[Any, ...]:
        """The network's inputs: first token ids and attention mask, int64 (len(texts), tokens of the longest text)."""

    @abstractmethod
    def forward(self, *encoded: Any) -> np.ndarray:
        """Logits of the inputs that `encode` returned: float32 (len(texts), len(labels))."""

    def logits(self, texts: Sequence[Input]) -> np.ndarray:
        """Encode the texts and compute their logits: float32 (len(texts), len(labels))."""
        return self.forward(*self.encode(texts))

    def of_fold(self, fold: int | None) -> "Classifier":
        """The classifier without what it learned from a fold of the validation split, see `crossfit`; None: itself.

        Only a classifier whose logits depend on something that was fitted on that split overrides this.
        """
        return self

    def logits_by_length(
        self,
        texts: Sequence[Input],
        batch_size: int,
        progress: Callable[[int], object] | None = None,
        into: np.ndarray | None = None,
    ) -> np.ndarray:
        """Logits of any number of texts, in their order: float32 (len(texts), len(labels)).

        Texts of similar length share a batch, so there is little padding. Where the other texts of a batch change the
        logits, as with dynamic quantization, the batch size is the classifier's own, mostly 1. `progress` is called with
        the size of each finished batch. `into`: where the logits are written, such as a file in memory; it is returned.
        """
        size = batch_size if self.batch_independent else self.batch_size
        result = np.empty((len(texts), len(self.labels)), dtype=np.float32) if into is None else into
        by_length = sorted(range(len(texts)), key=lambda i: inputs.length(texts[i]))
        for start in range(0, len(texts), size):
            rows = by_length[start : start + size]
            result[rows] = self.logits([texts[i] for i in rows])
            if progress is not None:
                progress(len(rows))
        return result


class TokenizedClassifier(Classifier):
    """A classifier whose network takes token ids, their mask and maybe token types. A subclass adds it and `forward`."""

    def __init__(self, artifact: Path, description: "Description", threads: int) -> None:
        self.labels = description.labels
        self._encoder = encoder_of(artifact, description, threads)

    def encode(self, texts: Sequence[Input]) -> tuple[np.ndarray, ...]:
        """Token ids, attention mask and, where the network takes them, token types: see `Encoder`."""
        return self._encoder(texts)


@dataclass(frozen=True)
class Description:
    """`classifier.json`: what serving needs besides weights and tokenizer."""

    runtime: str  # the name of a module in this package
    labels: list[str]
    max_length: int  # tokens; longer texts are cut
    oos: int | None = None  # index of the out-of-scope label
    pad_id: int = 0  # the padding token
    decision: dict[str, Any] | None = None  # see `pipeline.tasks.decision_rule`; None: the largest logit
    trained: bool = True  # False: the weights are random, so only size and latency are meaningful
    batched: bool = True  # False: the other texts of a batch change a text's logits, see `Runtime.batch_independent`
    fold_rules: list[dict[str, Any]] | None = None  # `decision` without each fold of the validation split, see `crossfit`
    int8_for: str | None = None  # the int8 instructions of the processor that it was quantized on; None: not in int8
    int8_bits: int | None = None  # of an ONNX graph's int8 weights: 8, or 7 (reduced range), see `onnx_folder`
    inputs: list[str] | None = None  # of an ONNX graph, by name; without a mask it takes one text at a time
    batch_size: int = 1  # how many texts share a batch where `batched` is False
    task: str = SINGLE_LABEL.name  # the name of a task in `pipeline.tasks.TASKS`
    token_types: str = token_types.NONE  # the network's third input, see `pipeline.models.token_types`
    window: str | None = None  # "mean" or "max": how windows of longer texts are joined, see `windows`; None: they are cut
    window_overlap: int = 0  # tokens that two windows share
    format: int = 1

    @property
    def kind(self) -> Task:
        """The task. Raises ValueError for an unknown one."""
        return task_of(self.task)

    @property
    def rule(self) -> DecisionRule:
        """The decision rule, which turns logits into answers. Raises ValueError or TypeError when `decision` is damaged."""
        return self.kind.rule(self.decision, self.oos)

    def rule_of(self, fold: int | None) -> DecisionRule:
        """The decision rule that was fitted without a fold of the validation split; None: with all of it."""
        return self.rule if fold is None or self.fold_rules is None else self.kind.rule(self.fold_rules[fold], self.oos)

    def write(self, artifact: Path) -> None:
        """Write `classifier.json` into an artifact directory."""
        (artifact / DESCRIPTION).write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, artifact: Path) -> "Description":
        """Read `classifier.json` of an artifact directory.

        Raises OSError, ValueError or TypeError when it is missing or damaged.
        """
        return cls(**json.loads((artifact / DESCRIPTION).read_text(encoding="utf-8")))


def encoder_of(artifact: Path, description: Description, threads: int) -> Encoder:
    """What makes the network's inputs from texts."""
    return Encoder(artifact, description.max_length, description.pad_id, threads, description.token_types)


class PublishedForm(enum.Enum):
    """How somebody who downloads an artifact from the Hub loads it."""

    STANDARD = "transformers loads it as it is"
    ONNX = "Optimum, transformers.js and plain ONNX Runtime load it as it is"
    CONVERTED = "transformers loads the larger copy that `Runtime.write_standard` writes"
    PROJECT = "this project loads it, and a handler.py that is written beside it"


class Runtime(ABC):
    """What a runtime declares about its artifacts. Each module has one instance, named `RUNTIME`.

    Size, doctor, publishing, the registry and the record of versions read these declarations, so a new runtime is one new
    file.
    """

    name: ClassVar[str]  # the name of its module, as in classifier.json
    requires: ClassVar[tuple[str, ...]]  # packages that serving needs, by their names on the package index
    weights: ClassVar[tuple[str, ...]]  # names or patterns of the files that hold weights
    files: ClassVar[tuple[str, ...]] = ()  # names of further files that only its artifacts have
    profiler: ClassVar[Literal["onnx", "openvino", "torch"] | None] = None  # the profiler that the doctor uses
    no_profile_reason: ClassVar[str] = "No profiler is known for this runtime."  # shown where the doctor has no profile

    @abstractmethod
    def open(self, artifact: Path, description: Description, threads: int) -> Classifier:
        """Load a classifier. Raises OSError when a file is missing, ValueError when one is damaged or of another kind."""

    def packages(self, artifact: Path) -> tuple[str, ...]:
        """The packages that an artifact needs, by their names on the package index."""
        return self.requires

    def weight_files(self, artifact: Path) -> list[Path]:
        """Paths of the files that hold an artifact's weights."""
        return sorted({path for pattern in self.weights for path in artifact.glob(pattern) if path.is_file()})

    def published_form(self, artifact: Path) -> PublishedForm:
        """The form in which an artifact is published."""
        return PublishedForm.PROJECT

    def write_standard(self, artifact: Path, target: Path) -> None:
        """Write an artifact into another directory as a transformers checkpoint.

        Raises ValueError where that is impossible.
        """
        raise ValueError(f"{artifact}: transformers can load no classifier for the runtime {self.name!r}")

    def notes(self, artifact: Path) -> list[str]:
        """What whoever runs an artifact without this project must know, in Markdown; for its model card."""
        return []

    def batch_independent(self, artifact: Path) -> bool:
        """Whether the logits of a text are the same whatever other texts are in its batch."""
        return Description.read(artifact).batched

    def processor_features(self, artifact: Path) -> frozenset[str]:
        """The processor features that it uses: "int8", "bfloat16", or the instruction sets that it was compiled for."""
        return frozenset()

    def network(self, artifact: Path) -> Any:
        """The torch network, in whose layers the doctor finds the matrix products; None where there is none."""
        return None


def runtime_of(artifact: Path) -> Runtime:
    """The runtime of an artifact directory.

    Raises OSError, ValueError or TypeError for another directory or an unknown runtime.
    """
    name = Description.read(artifact).runtime
    if not name.isidentifier():
        raise ValueError(f"{artifact / DESCRIPTION}: runtime {name!r} is not a name")
    runtime = getattr(importlib.import_module(f"{__package__}.{name}"), "RUNTIME", None)
    if not isinstance(runtime, Runtime):
        raise ValueError(f"{artifact / DESCRIPTION}: {name!r} is not a runtime")
    return runtime


def all_runtimes() -> list[Runtime]:
    """All runtimes, sorted by name. This imports their modules, and some of them import torch."""
    package = importlib.import_module(str(__package__))
    modules = [importlib.import_module(f"{__package__}.{found.name}") for found in pkgutil.iter_modules(package.__path__)]
    runtimes = [runtime for module in modules if isinstance(runtime := getattr(module, "RUNTIME", None), Runtime)]
    return sorted(runtimes, key=lambda runtime: runtime.name)


def load(artifact: Path, threads: int, windows: bool = True) -> Classifier:
    """The classifier of an artifact directory, using at most `threads` threads.

    windows: False for what answers a single window, where long texts are answered in windows.
    Raises what its runtime raises, mostly OSError or ValueError, when the directory is not a complete artifact.
    """
    runtime, description = runtime_of(artifact), Description.read(artifact)
    _warn_of_other_processor(artifact, description)
    classifier = runtime.open(artifact, description, threads)
    classifier.batch_independent = runtime.batch_independent(artifact)
    classifier.batch_size = Description.read(artifact).batch_size
    if description.window is None or not windows:
        return classifier
    module = importlib.import_module(f"{__package__}.windows")  # it is made of what is here, as the runtimes are
    windowed: Classifier = module.WindowedClassifier(classifier, artifact, description)
    windowed.batch_independent, windowed.batch_size = classifier.batch_independent, classifier.batch_size
    return windowed


def _warn_of_other_processor(artifact: Path, description: Description) -> None:
    """Warn where this processor's int8 instructions are others than those of the processor that it was quantized on."""
    if description.int8_bits == 8 and int8_support().reduce_range:
        log.warning(
            "warning: %s has int8 weights of 8 bits, made on a processor with %s. Here sums saturate (%s), so answers "
            "change; quantize it here, or with reduce_range=always", artifact, description.int8_for, int8_support().why,
        )  # fmt: skip
    elif description.int8_for not in (None, int8_instructions()):
        log.warning(
            "warning: %s was quantized on a processor whose int8 instructions are: %s; here: %s. Its speed and some answers "
            "may differ from what was measured; quantize and measure it on this kind of processor",
            artifact, description.int8_for, int8_instructions(),
        )  # fmt: skip


def packages_of(artifact: Path) -> tuple[str, ...]:
    """The packages that the classifier of an artifact directory needs, by their names on the package index."""
    return runtime_of(artifact).packages(artifact)


def checked_open(artifact: Path, files: Sequence[str], open_files: Callable[[], Loaded]) -> Loaded:
    """The result of `open_files`.

    Raises FileNotFoundError when one of `files` is missing, ValueError when one can't be read.
    """
    for name in files:
        if not (artifact / name).is_file():
            raise FileNotFoundError(f"{artifact / name}: no such file; the artifact is incomplete")
    try:
        return open_files()
    except Exception as error:  # each library raises its own types, which only share Exception
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise ValueError(f"{artifact}: the classifier can't be read: {first}") from error
