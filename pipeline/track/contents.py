"""What a run holds besides metrics: samples and predictions as Parquet, the machine, the versions."""

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from pipeline.machine import load_average, machine, missing
from pipeline.report import Predictions, Report
from pipeline.samples import Samples

PACKAGES = (
    "torch", "transformers", "tokenizers", "datasets", "evaluate", "accelerate", "hydra-core", "mlflow", "numpy",
    "onnx", "onnxruntime", "optuna", "pyarrow",
)  # fmt: skip


def write_predictions(predictions: Predictions, path: Path) -> None:
    """One row a test text: text, prediction, score, label, correct."""
    names = np.array(predictions.labels)
    table = {
        "text": predictions.texts,
        "prediction": names[predictions.predicted],
        "score": predictions.scores,
        "label": names[predictions.truth],
        "correct": predictions.predicted == predictions.truth,
    }
    parquet.write_table(pa.table(table), path)


def write_latency(report: Report, path: Path) -> None:
    """One row a timed call: who (candidate or baseline), pair, which process of it was started first, query, block, ms,
    tokenization's part of it in ms, tokens, and whether the process was put off its core in that block.
    """
    if report.comparison is None:
        rows = [("candidate", number, True, samples) for number, samples in enumerate(report.latency.processes)]
    else:
        rows = [
            (who, number, (who == "candidate") == pair.candidate_first, getattr(pair, who))
            for number, pair in enumerate(report.comparison.pairs)
            for who in ("candidate", "baseline")
        ]
    tables = [
        pa.table(
            {
                "who": [who] * len(samples.ms),
                "pair": [number] * len(samples.ms),
                "started_first": [first] * len(samples.ms),
                **_calls(samples),
            }
        )
        for who, number, first, samples in rows
    ]
    parquet.write_table(pa.concat_tables(tables), path)


def _calls(samples: Samples) -> dict[str, Any]:
    count = [block.calls for block in samples.blocks]
    return {
        "query": np.arange(len(samples.ms)) % (len(samples.ms) // samples.passes),
        "block": np.repeat(np.arange(len(count)), count),
        "ms": samples.ms,
        "tokenize_ms": samples.tokenize_ms,
        "tokens": samples.tokens,
        "descheduled": np.repeat([block.descheduled for block in samples.blocks], count),
    }


def write_blocks(report: Report, path: Path) -> None:
    """One row a block of calls: who, pair, block, calls, wall and processor time in ms, involuntary context switches."""
    if report.comparison is None:
        rows = [("candidate", number, samples) for number, samples in enumerate(report.latency.processes)]
    else:
        pairs = enumerate(report.comparison.pairs)
        rows = [(who, number, getattr(pair, who)) for number, pair in pairs for who in ("candidate", "baseline")]
    table = [
        {"who": who, "pair": number, "block": place, **vars(block), "descheduled": block.descheduled}
        for who, number, samples in rows
        for place, block in enumerate(samples.blocks)
    ]
    parquet.write_table(pa.Table.from_pylist(table), path)


def environment() -> dict[str, Any]:
    """Machine, what it does not tell, load and versions, for the run's `environment.json`."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    told = {"machine": machine(), "missing": missing(), "python": platform.python_version(), "versions": versions}
    load = load_average()
    return told if load is None else told | {"load_average": load}
