"""What a run holds besides metrics: samples and predictions as Parquet, the machine, the versions."""

import functools
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from pipeline.report import Predictions, Report

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
    """One row a timed call: who (candidate or baseline), pass, query, ms."""
    samples = {"candidate": report.latency.samples_ms}
    if report.baseline is not None:
        samples["baseline"] = report.baseline.samples_ms
    tables = []
    for who, values in samples.items():
        passes, queries = np.indices(values.shape)
        columns = {"pass": passes.ravel(), "query": queries.ravel(), "ms": values.ravel()}
        tables.append(pa.table({"who": [who] * values.size, **columns}))
    parquet.write_table(pa.concat_tables(tables), path)


FLAGS = {"avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimddp", "i8mm", "bf16"}


@functools.cache
def machine() -> dict[str, Any]:
    """The machine, as far as it decides latency."""
    import cpuinfo
    import psutil

    cpu = cpuinfo.get_cpu_info()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cpu": cpu.get("brand_raw", platform.processor() or "unknown"),
        "flags": sorted(FLAGS & set(cpu.get("flags", []))),
        "cores": cores,
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
    }


def machine_name() -> str:
    """The machine as one tag: results of different ones are not compared."""
    return "{cpu}, {cores} cores, {system}".format(**machine())


def environment() -> dict[str, Any]:
    """Machine, load and versions, for the run's `environment.json`."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return {"machine": machine(), "load_average": os.getloadavg(), "python": platform.python_version(), "versions": versions}
