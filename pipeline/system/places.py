"""Places that libraries write to: where the home directory can't be used, as in many containers, they get temporary ones.

Otherwise a run would fail in a library's cache after all training. What can be used stays where it is: a read-only directory
with downloaded models is still read.
"""

import getpass
import os
import tempfile
from pathlib import Path

from pipeline.errors import UserError


class PlaceError(UserError):
    """There is no directory to write to."""


def prepare() -> None:
    """Set the environment variables of libraries whose places can't be written; call it before they are imported.

    Raises PlaceError when there is no temporary directory either.
    """
    home = _home() or _set("HOME", temporary() / "home")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    hugging_face = Path(os.environ.get("HF_HOME") or cache / "huggingface")
    places = {
        "HF_DATASETS_CACHE": hugging_face / "datasets",
        "HF_EVALUATE_CACHE": hugging_face / "evaluate",
        "HF_METRICS_CACHE": hugging_face / "metrics",
        "HF_MODULES_CACHE": hugging_face / "modules",
        "HF_XET_CACHE": hugging_face / "xet",
        "MPLCONFIGDIR": Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "matplotlib",
    }
    hub = hugging_face / "hub"
    places |= {} if hub.is_dir() else {"HF_HUB_CACHE": hub}  # one that is there can be read
    for variable, place in places.items():
        if not writable(Path(os.environ.get(variable) or place)):
            _set(variable, temporary() / variable.lower())
    try:
        getpass.getuser()
    except (KeyError, OSError, ImportError):  # the user id has no name; torch's compiler asks for one
        os.environ["USER"] = f"user-{os.getuid()}"


def writable(place: Path) -> bool:
    """Whether a directory can be written, or made."""
    existing = next((path for path in (place, *place.parents) if path.exists()), Path("/"))
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)


def temporary() -> Path:
    """A temporary directory of this user, the same for all processes. Raises PlaceError without one."""
    try:
        folder = Path(tempfile.gettempdir()) / f"pipeline-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise PlaceError(
            f"there is no directory for temporary files ({error}); set TMPDIR to one that can be written"
        ) from error
    if folder.stat().st_uid != os.getuid():
        raise PlaceError(f"{folder} belongs to another user; set TMPDIR to another directory for temporary files")
    return folder


def _home() -> Path | None:
    """The home directory if it can be written, or holds what was downloaded; else None."""
    try:
        home = Path.home()
    except RuntimeError:  # HOME is not set, and the user id has no name
        return None
    return home if home.is_dir() and (writable(home) or (home / ".cache" / "huggingface").is_dir()) else None


def _set(variable: str, place: Path) -> Path:
    place.mkdir(exist_ok=True)
    os.environ[variable] = str(place)
    return place
