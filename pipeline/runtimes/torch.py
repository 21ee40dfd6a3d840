"""Runtime "torch": a transformers network for sequence classification in fp32, safetensors only.

Its weights are stored in one of two ways. `save` writes `model.safetensors`: the directory loads with
`transformers.pipeline("text-classification", model=DIR)` as it is. `save_compact` writes `weights.safetensors`
(`compact.py`), for networks that have many zeros, or fewer heads and neurons than `config.json` says. `save_standard`
turns such an artifact into a directory that transformers can load.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.models.layers import KEPT_HEADS
from pipeline.models.pooling import own_parts, pool
from pipeline.models.token_types import ARGUMENT, kind_for
from pipeline.runtimes import tokens
from pipeline.runtimes.base import Description, PublishedForm, Runtime, TokenizedClassifier
from pipeline.runtimes.compact import FILE, names
from pipeline.runtimes.compact import read as read_compact
from pipeline.runtimes.compact import write as write_compact
from pipeline.tasks.inputs import Input


class TorchClassifier(TokenizedClassifier):
    """Inference with torch on the CPU."""

    def __init__(self, artifact: Path, description: Description, threads: int, reader: Callable[[Path], Any]) -> None:
        import torch

        torch.set_num_threads(threads)
        self._torch = torch
        self._model = reader(artifact)
        super().__init__(artifact, description, threads)

    def forward(self, *encoded: Any) -> np.ndarray:
        """Logits of token ids, their mask and maybe token types, int64 (batch, length): float32 (batch, len(labels))."""
        ids, mask, *types = map(self._torch.from_numpy, encoded)
        with self._torch.inference_mode():
            padded = None if mask.all() else mask
            further = {ARGUMENT: types[0]} if types else {}
            output = self._model(input_ids=ids, attention_mask=padded, **further)
        logits: np.ndarray = output.logits.float().numpy()
        return logits


def read(artifact: Path) -> Any:
    """The network, in fp32 and eval mode, stored in either way.

    Raises OSError when a file is missing, ValueError when a weight is missing, unknown or has another shape.
    """
    if (artifact / FILE).is_file():
        from pipeline.models.fitting import fit

        model = uninitialized(artifact)
        fit(model, read_compact(artifact))
        return model
    import torch
    from transformers import AutoModelForSequenceClassification
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    model, loading = AutoModelForSequenceClassification.from_pretrained(
        artifact, use_safetensors=True, trust_remote_code=False, dtype=torch.float32, output_loading_info=True
    )
    wrong = sorted({*loading["missing_keys"], *loading["unexpected_keys"]})
    if wrong:
        raise ValueError(f"{artifact}: missing or unknown weights: {', '.join(wrong[:5])}")
    return model.eval()


def uninitialized(artifact: Path) -> Any:
    """The network of an artifact's `config.json`, in eval mode. Its weights are not initialized: fill them before use."""
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification
    from transformers.initialization import no_init_weights

    config = AutoConfig.from_pretrained(artifact, trust_remote_code=False)
    with no_init_weights():
        model = AutoModelForSequenceClassification.from_config(config, trust_remote_code=False, dtype=torch.float32)
    return pool(model).eval()


def read_tokenizer(artifact: Path) -> Any:
    """The transformers tokenizer of an artifact. Raises OSError or ValueError when its files are missing or broken."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(artifact, trust_remote_code=False)


def save(model: Any, tokenizer: Any, description: Description, artifact: Path, texts: Sequence[Input] = ()) -> None:
    """Write a transformers model and tokenizer as an artifact directory: config, safetensors, tokenizer, description.

    The artifact must split `texts`, besides others, into the tokens that `tokenizer` makes of them (see `tokens.write`).
    A network with a pooling or head that transformers does not have is written as `weights.safetensors`: transformers would
    load `model.safetensors` and give other answers.
    """
    if not own_parts(model):
        model.save_pretrained(artifact)
    else:
        write_compact(model.state_dict(), artifact)
    save_beside(model, tokenizer, description, artifact, texts)


def save_compact(model: Any, tokenizer: Any, description: Description, artifact: Path, texts: Sequence[Input] = ()) -> None:
    """Like `save`, with `weights.safetensors`: a zero takes one bit, and heads and neurons may have been removed."""
    write_compact(model.state_dict(), artifact)
    save_beside(model, tokenizer, description, artifact, texts)


def save_fitting(model: Any, tokenizer: Any, description: Description, artifact: Path, texts: Sequence[Input] = ()) -> None:
    """Like `save` where transformers can load the result, else like `save_compact`: where a tensor has another shape than
    transformers expects.
    """
    from transformers import AutoModelForSequenceClassification
    from transformers.initialization import no_init_weights

    with no_init_weights():
        usual = AutoModelForSequenceClassification.from_config(model.config, trust_remote_code=False)
    shapes, expected = ({name: tensor.shape for name, tensor in each.state_dict().items()} for each in (model, usual))
    (save if shapes == expected else save_compact)(model, tokenizer, description, artifact, texts)


def save_beside(model: Any, tokenizer: Any, description: Description, artifact: Path, texts: Sequence[Input] = ()) -> None:
    """Write the other files of an artifact: config, tokenizer and description.

    Raises OptimizationError when the artifact makes other tokens of a text than `tokenizer` (see `tokens.write`).
    """
    model.config.architectures = [type(model).__name__]
    model.config.problem_type = description.kind.problem_type  # it decides whether transformers takes softmax or sigmoid
    model.config.save_pretrained(artifact)
    pairs = description.kind.pairs
    tokens.write(tokenizer, description.max_length, artifact, texts, pairs)
    types = kind_for(model, tokenizer, pairs)
    replace(description, pad_id=tokenizer.pad_token_id, token_types=types).write(artifact)


def save_standard(artifact: Path, target: Path) -> None:
    """Write an artifact of this runtime into another directory, as a checkpoint that transformers can load.

    Removed heads and neurons are written as zeros, so it computes the same. Raises what `read` raises, and ValueError for
    an artifact of another runtime.
    """
    from pipeline.models.fitting import fit, padded

    description = Description.read(artifact)
    if description.runtime != "torch":
        raise ValueError(f"{artifact}: transformers can load no classifier for the runtime {description.runtime!r}")
    model, small = uninitialized(artifact), read(artifact)
    unknown = unknown_to_transformers(model, small.state_dict())
    if unknown:
        raise ValueError(f"{artifact}: transformers does not support {unknown}")
    fit(model, padded(small, model))
    save(model, read_tokenizer(artifact), description, target)


def unknown_to_transformers(model: Any, stored: Iterable[str]) -> str:
    """What transformers does not support in a network with tensors of these names; "" where it supports all."""
    if own_parts(model):
        return own_parts(model)
    weights = {name for name in stored if not name.endswith(f".{KEPT_HEADS}")}
    return "" if model.state_dict().keys() == weights else "layers of low rank"


def unknown_parts(network: Any) -> str:
    """What transformers does not support in a network, which may be without weights; "" where it supports all."""
    import torch
    from transformers import AutoModelForSequenceClassification

    with torch.device("meta"):
        usual = AutoModelForSequenceClassification.from_config(network.config, trust_remote_code=False)
    return unknown_to_transformers(usual, network.state_dict())


class TorchRuntime(Runtime):
    """See `pipeline.runtimes.base.Runtime`."""

    name = "torch"
    requires = ("numpy", "tokenizers", "torch", "transformers", "safetensors")
    weights = ("*.safetensors",)
    profiler = "torch"

    def open(self, artifact: Path, description: Description, threads: int) -> TorchClassifier:
        """Load it. Raises OSError or ValueError when weights or tokenizer are missing or of another kind."""
        return TorchClassifier(artifact, description, threads, self.network)

    def network(self, artifact: Path) -> Any:
        """See `read`."""
        return read(artifact)

    def published_form(self, artifact: Path) -> PublishedForm:
        """STANDARD with `model.safetensors`, else CONVERTED where transformers supports all of its parts."""
        if not (artifact / FILE).is_file():
            return PublishedForm.STANDARD
        unknown = unknown_to_transformers(uninitialized(artifact), names(artifact))
        return PublishedForm.PROJECT if unknown else PublishedForm.CONVERTED

    def write_standard(self, artifact: Path, target: Path) -> None:
        """See `save_standard`."""
        save_standard(artifact, target)


RUNTIME = TorchRuntime()
