"""The size of an artifact directory in bytes."""

from pathlib import Path

from pipeline.evaluation.report import Size
from pipeline.runtimes.base import runtime_of


def size_of(artifact: Path) -> Size:
    """The size of all files, which serving needs, and of the files that its runtime declares as weights."""
    files = [path for path in artifact.rglob("*") if path.is_file()]
    weights = runtime_of(artifact).weight_files(artifact)
    return Size(*(sum(path.stat().st_size for path in group) for group in (files, weights)))
