"""A full disk: a real small one, and the errors that libraries raise there."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from pipeline.system import disk
from tests.support import disks

SIZE_MB = 3


@pytest.fixture(scope="module")
def small_disk() -> Iterator[Path]:
    with disks.small_disk(SIZE_MB) as place:
        yield place


def database(place: Path) -> None:
    with sqlite3.connect(place / "x.db") as connection:
        connection.execute("create table t (b blob)")
        for _ in range(2 * SIZE_MB):
            connection.execute("insert into t values (?)", (bytes(2**20),))


BIG = np.zeros((2 * SIZE_MB, 2**20), dtype=np.uint8)
WRITES: dict[str, Callable[[Path], object]] = {
    "a file": lambda place: (place / "x").write_bytes(BIG.tobytes()),
    "torch": lambda place: torch.save(torch.from_numpy(BIG), place / "x.pt"),
    "safetensors": lambda place: save_file({"x": BIG}, place / "x.safetensors"),
    "sqlite": database,
}


@pytest.mark.parametrize("library", WRITES)
def test_what_libraries_raise_on_a_full_disk_is_recognised(library: str, small_disk: Path) -> None:
    try:
        with pytest.raises(Exception) as caught:  # each library raises its own
            WRITES[library](small_disk)
        assert disk.is_full(caught.value, [small_disk])
        error = disk.disk_error(caught.value, small_disk, 5 * 2**20)
        assert error is not None and "\n" not in str(error)
        assert str(error).startswith(f"disk error: the disk at {small_disk} is full: ")
        assert "needs up to 5 MB" in str(error) and "track.root" in str(error)
    finally:
        for file in small_disk.iterdir():
            file.unlink()


@pytest.mark.parametrize(
    "error", [OSError(13, "Permission denied"), ValueError("full"), RuntimeError("PytorchStreamWriter failed")]
)
def test_other_errors_are_not_those_of_a_full_disk(error: Exception, tmp_path: Path) -> None:
    assert not disk.is_full(error, [tmp_path]) and disk.disk_error(error, tmp_path) is None
    with pytest.raises(type(error)) as caught, disk.told(tmp_path, lambda: 0):
        raise error
    assert caught.value is error


def test_an_error_that_a_full_disk_caused_is_told_as_one(tmp_path: Path) -> None:
    with pytest.raises(disk.DiskFullError, match="make room") as caught, disk.told(tmp_path, lambda: 0):
        try:
            raise OSError(28, "No space left on device", str(tmp_path / "x"))
        except OSError as error:
            raise ValueError("torch can't compile this network") from error
    assert str(disk.mount_of(tmp_path)) in str(caught.value)


def test_without_room_for_a_database_nothing_is_tried(small_disk: Path) -> None:
    with pytest.raises(disk.DiskFullError, match="4 MB are needed"):
        disk.reserve(small_disk)
    assert not list(small_disk.iterdir())


def test_the_reserve_is_written_once_and_given_up(tmp_path: Path) -> None:
    disk.reserve(tmp_path)
    assert (tmp_path / disk.RESERVE).stat().st_size == disk.RESERVE_BYTES
    disk.release(tmp_path)
    disk.release(tmp_path)
    assert not list(tmp_path.iterdir())
