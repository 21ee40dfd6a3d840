"""Tries an export before anything is trained, for a network that is not in the table of architectures.

Families that are in the table are tried by the tests. Of another one it is not known whether ONNX has its operators, and
whether they compute the same for all lengths; a small network of the same kind with random weights shows it in seconds.
"""

import contextlib
import copy
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import OptimizationError
from pipeline.models.architectures import architecture_of

MOST_LAYERS, MOST_PIECES, MOST_TOKENS = 2, 1000, 64  # of the small network, and of a text in the comparison


def try_export(network: Any, step: str, max_length: int) -> None:
    """Raises OptimizationError where a network of this kind can't be exported to ONNX with equal logits.

    network: it may be without weights. step: for the message. max_length: tokens of the longest text.
    """
    if architecture_of(network.config) is not None:
        return
    from pipeline.runtimes.onnx_graph import export

    kind = network.config.model_type
    try:
        small = _small(network)
        with tempfile.TemporaryDirectory() as folder, _without_output():
            file = Path(folder) / "exported.onnx"
            export(small, file)
            _compare(small, file, min(max_length, MOST_TOKENS))
    except Exception as error:  # networks, exporter and ONNX Runtime raise dozens of types
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]
        raise OptimizationError(
            f"{step}: a network of type {kind!r} can't be exported to ONNX ({first}); leave {step} and what follows it out"
        ) from error


@contextlib.contextmanager
def _without_output() -> Iterator[None]:
    """What is written to the standard output is lost: where it fails, the exporter writes the whole graph, from C++."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def _small(network: Any) -> Any:
    """A network with the same configuration, but fewer layers and word pieces, and random weights."""
    from transformers import AutoModelForSequenceClassification
    from transformers import logging as messages

    config = copy.deepcopy(network.config)
    if getattr(config, "num_hidden_layers", 0) > MOST_LAYERS and not getattr(config, "layer_types", None):
        config.num_hidden_layers = MOST_LAYERS
    config.vocab_size = min(config.vocab_size, max(MOST_PIECES, (config.pad_token_id or 0) + 1))
    before = messages.get_verbosity()
    messages.set_verbosity_error()
    try:
        return AutoModelForSequenceClassification.from_config(config, trust_remote_code=False).eval()
    finally:
        messages.set_verbosity(before)


def _compare(model: Any, file: Path, max_length: int) -> None:
    from pipeline.runtimes.onnx import session
    from pipeline.steps.shared.export_check import compare_on_ids, require_equal

    opened = session(file, 1)
    names = {each.name for each in opened.get_inputs()}

    class Exported:
        """The graph, with the `forward` of a classifier."""

        def forward(self, ids: Any, mask: Any) -> Any:
            """See `Classifier.forward`."""
            given = {"input_ids": ids, "attention_mask": mask}
            return opened.run(["logits"], {name: given[name] for name in names})[0]

    require_equal(compare_on_ids(model, Exported(), max_length, model.config.pad_token_id or 0), "")
