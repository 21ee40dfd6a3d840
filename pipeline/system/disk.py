"""A full disk: recognised in the errors of any library, and told in one line.

A small reserve file beside MLflow's database is given up then, so that the run can still be ended as failed.
"""

import contextlib
import errno
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pipeline.errors import UserError
from pipeline.system.units import BYTES_PER_MB

FULL = re.compile(r"no space left on device|database or disk is full|disk quota exceeded|not enough space on the disk", re.I)
PERHAPS = re.compile(r"PytorchStreamWriter|inline_container|disk I/O error|unable to open database file", re.I)
ALMOST_FULL = 16 * BYTES_PER_MB  # free bytes; with less, an error of the second kind is one of a full disk
RESERVE, RESERVE_BYTES = ".reserve", BYTES_PER_MB  # enough for the last changes of MLflow's database
FRESH_BYTES = 4 * BYTES_PER_MB  # for a fresh database


class DiskFullError(UserError):
    """A disk has no room left."""

    prefix = "disk error"


def is_full(error: BaseException, places: Sequence[Path] = ()) -> bool:
    """Whether an error, or one that caused it, is that of a full disk; `places` are directories that were written to."""
    links = list(_chain(error))
    if any(isinstance(link, DiskFullError) or _number(link) in (errno.ENOSPC, errno.EDQUOT) for link in links):
        return True
    texts = " ".join(map(str, links))
    return bool(FULL.search(texts) or (PERHAPS.search(texts) and _fullest(places)[1] < ALMOST_FULL))


def disk_error(error: BaseException, root: Path | None = None, needed: int = 0) -> DiskFullError | None:
    """The error in one line if it is that of a full disk, else None. `needed`: bytes that a training writes below `root`."""
    if isinstance(error, DiskFullError):
        return error
    written = [] if root is None else [root]
    if not is_full(error, written):
        return None
    place, free = _fullest([*written, *_files(error)])
    if free >= ALMOST_FULL and not any(_files(error)):
        return DiskFullError(f"a disk is full ({next(iter(str(error).splitlines()), '')}); make room and repeat the command")
    need = (
        f"; a training of this backbone needs up to {needed / BYTES_PER_MB:.0f} MB there" if needed and place == root else ""
    )
    where = "track.root" if place == root else "TMPDIR"
    return DiskFullError(
        f"the disk at {mount_of(place)} is full: {place} has {free / BYTES_PER_MB:.1f} MB free{need}; make room, or set "
        f"{where} to a directory on another disk, and repeat the command: what is finished is kept"
    )


@contextlib.contextmanager
def told(root: Path, needed: Callable[[], int]) -> Iterator[None]:
    """Raise the errors of a full disk as DiskFullError, see `disk_error`."""
    try:
        yield
    except Exception as error:
        if isinstance(error, DiskFullError) or not is_full(error, [root]):
            raise
        raise disk_error(error, root, needed()) or error from error


def reserve(root: Path) -> None:
    """Write the reserve file, unless it is there or there is hardly room.

    Raises DiskFullError where there is no database yet, nor room for one: MLflow would try for minutes.
    """
    free, file = free_bytes(root), root / RESERVE
    if not (root / "mlflow.db").exists() and free < FRESH_BYTES:
        missing = f"{FRESH_BYTES / BYTES_PER_MB:.0f} MB are needed for MLflow's database alone"
        raise DiskFullError(f"the disk at {mount_of(root)} is full: {root} has {free / BYTES_PER_MB:.1f} MB free, {missing}")
    if not file.exists() and free > FRESH_BYTES:
        with contextlib.suppress(OSError):
            file.write_bytes(bytes(RESERVE_BYTES))


def release(root: Path) -> None:
    """Give up the reserve file."""
    with contextlib.suppress(OSError):
        (root / RESERVE).unlink(missing_ok=True)


def free_bytes(place: Path) -> int:
    """Free bytes on the disk of a directory that exists or will."""
    return shutil.disk_usage(_existing(place)).free


def mount_of(place: Path) -> Path:
    """The directory where the disk of a place is mounted."""
    found = _existing(place).resolve()
    while not os.path.ismount(found):
        found = found.parent
    return found


def _existing(place: Path) -> Path:
    return next(path for path in (place, *place.absolute().parents) if path.exists())


def _fullest(places: Sequence[Path]) -> tuple[Path, int]:
    """Of these places and the one for temporary files, the one with the least free bytes."""
    return min(((place, free_bytes(place)) for place in [*places, Path(tempfile.gettempdir())]), key=lambda each: each[1])


def _files(error: BaseException) -> list[Path]:
    """The directories of the files that errors of a full disk name."""
    full = [link for link in _chain(error) if isinstance(link, OSError) and _number(link) in (errno.ENOSPC, errno.EDQUOT)]
    return [Path(link.filename).absolute().parent for link in full if isinstance(link.filename, str)]


def _number(error: BaseException) -> int | None:
    return error.errno if isinstance(error, OSError) else None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen = set[int]()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
