"""An artifact -> facts: the classifier is loaded, looked at and run in this process."""

import importlib
import time
from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import OptimizationError
from pipeline.evaluation.doctor.facts import Facts
from pipeline.evaluation.doctor.graph import WARM_UP
from pipeline.evaluation.doctor.parts import sizes
from pipeline.runtimes.base import Classifier, Description, load
from pipeline.system.cpu import flags, int8_support
from pipeline.system.machine import machine

RUNTIMES = ("onnx", "torch", "torch_int8")


def examine(artifact: Path, threads: int, texts: Sequence[str], scratch: Path) -> Facts:
    """Everything there is to know of an artifact's classifier, run on texts, one at a time.

    Raises OptimizationError when it can't be loaded or is for another runtime.
    """
    try:
        runtime = Description.read(artifact).runtime
        if runtime not in RUNTIMES:
            raise ValueError(f"classifiers for the runtime {runtime!r} can't be examined")
        classifier = load(artifact, threads)
    except (OSError, ValueError, TypeError) as error:
        raise OptimizationError(f"{artifact}: {error}") from error
    inputs = [classifier.encode([text]) for text in texts]
    if runtime == "onnx":
        from pipeline.evaluation.doctor.graph import examine as examine_onnx

        network, operators = examine_onnx(artifact, threads, inputs, scratch)
    else:
        from pipeline.evaluation.doctor.network import examine as examine_torch

        model = importlib.import_module(f"pipeline.runtimes.{runtime}").read(artifact)
        network, operators = examine_torch(model, classifier, inputs)
    return Facts(
        runtime, network, operators, tokenization(classifier, texts), sizes(artifact), threads,
        cores=machine()["cores"], quota_cores=machine().get("quota_cores"), int8=int8_support(), flags=flags(),
    )  # fmt: skip


def tokenization(classifier: Classifier, texts: Sequence[str]) -> float:
    """The tokenizer's share of the time of single calls, 0 to 1; no profiler runs."""
    for text in texts[:WARM_UP]:
        classifier.logits([text])
    spent = [0.0, 0.0]
    for text in texts:
        start = time.perf_counter()
        inputs = classifier.encode([text])
        middle = time.perf_counter()
        classifier.forward(*inputs)
        spent[0] += middle - start
        spent[1] += time.perf_counter() - middle
    return spent[0] / sum(spent)
