"""Bytes on disk of an artifact directory."""

from pathlib import Path

from pipeline.evaluation.report import Size

WEIGHT_SUFFIXES = {".safetensors", ".onnx", ".data"}


def size_of(artifact: Path) -> Size:
    """All files (everything in an artifact is needed to serve it), and those that hold weights."""
    files = [path for path in artifact.rglob("*") if path.is_file()]
    total = sum(path.stat().st_size for path in files)
    return Size(total, sum(path.stat().st_size for path in files if path.suffix in WEIGHT_SUFFIXES))
