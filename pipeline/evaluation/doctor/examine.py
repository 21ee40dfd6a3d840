"""An artifact -> facts: load the classifier and run it in this process, with the profiler of its runtime."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import OptimizationError
from pipeline.evaluation.doctor.facts import Facts, Network, Operators
from pipeline.evaluation.doctor.graph import WARM_UP
from pipeline.evaluation.doctor.parts import sizes
from pipeline.runtimes.base import Classifier, Description, Runtime, load, runtime_of
from pipeline.system.cpu import flags, int8_instructions, int8_support
from pipeline.system.machine import machine
from pipeline.tasks.inputs import Input


def examine(artifact: Path, threads: int, texts: Sequence[Input], scratch: Path) -> Facts:
    """All facts about an artifact's classifier, run on single texts.

    Raises OptimizationError when it can't be loaded.
    """
    try:
        runtime, classifier = runtime_of(artifact), load(artifact, threads, windows=False)
        described = Description.read(artifact)
    except (OSError, ValueError, TypeError, ImportError) as error:
        raise OptimizationError(f"{artifact}: {error}") from error
    inputs = [classifier.encode([text]) for text in texts]
    network, operators = _profiled(runtime, artifact, threads, classifier, inputs, scratch)
    parts = sizes(artifact, [*runtime.weight_files(artifact), *(artifact / name for name in runtime.files)])
    return Facts(
        runtime.name, network, operators, tokenization(classifier, texts), parts, threads,
        cores=machine()["cores"], quota_cores=machine().get("quota_cores"), int8=int8_support(), flags=flags(),
        features=runtime.processor_features(artifact), profiler=runtime.profiler,
        no_profile_reason=runtime.no_profile_reason, int8_for=described.int8_for, int8_bits=described.int8_bits,
        int8_here=int8_instructions(),
    )  # fmt: skip


def _profiled(
    runtime: Runtime, artifact: Path, threads: int, classifier: Classifier, inputs: Sequence[Any], scratch: Path
) -> tuple[Network | None, Operators | None]:
    """The network that runs and its time by operator, from the profiler that the runtime declares."""
    if runtime.profiler == "onnx":
        from pipeline.evaluation.doctor import graph

        return graph.examine(artifact, threads, inputs, scratch)
    if runtime.profiler == "openvino":
        from pipeline.evaluation.doctor import openvino

        return openvino.examine(artifact, threads, inputs)
    if runtime.profiler == "torch":
        from pipeline.evaluation.doctor import network

        return network.examine(runtime.network(artifact), classifier, inputs)
    return None, None


def tokenization(classifier: Classifier, texts: Sequence[Input]) -> float:
    """The tokenizer's share of the time of single calls, 0 to 1, measured without a profiler."""
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
