"""Bytes on disk of an artifact directory."""

from pathlib import Path

from pipeline.evaluation.report import Size
from pipeline.runtimes.base import runtime_of


def size_of(artifact: Path) -> Size:
    """All files (everything in an artifact is needed to serve it), and those that hold weights, as its runtime says."""
    files = [path for path in artifact.rglob("*") if path.is_file()]
    weights = runtime_of(artifact).weight_files(artifact)
    return Size(*(sum(path.stat().st_size for path in some) for some in (files, weights)))
