"""Stages: fingerprint -> directory, made once, atomically, and reused.

    <root>/stages/<kind>-<fingerprint>/      manifest.json (file sizes and hashes, settings, notes) and artifact/
    <root>/stages/.work/<the same name>/     a stage that is being made; scratch/ survives a kill, so that a step can resume

A stage appears by one rename, so it is always complete. If two processes want the same stage, one makes it and the other
waits. A stage whose files differ from its manifest is removed and made again.
"""

import contextlib
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.models.checkpoints import sha256
from pipeline.system import locks

log = logging.getLogger(__name__)
MANIFEST = "manifest.json"
ARTIFACT = "artifact"
Make = Callable[[Path, Path], dict[str, Any]]  # (artifact, scratch) -> notes


@dataclass(frozen=True)
class Recipe:
    """What a stage is made from; `fingerprint` is the hash of the rest and of the stages before it."""

    kind: str
    fingerprint: str
    settings: dict[str, Any]
    inputs: dict[str, Any]

    @property
    def name(self) -> str:
        """The stage's directory name."""
        return f"{self.kind}-{self.fingerprint[:16]}"


@dataclass(frozen=True)
class Stage:
    """A stage on disk, complete and checked."""

    directory: Path
    manifest: dict[str, Any]
    reused: bool

    @property
    def artifact(self) -> Path:
        """The directory that the step wrote."""
        return self.directory / ARTIFACT


class Store:
    """The stages under one root directory."""

    def __init__(self, root: Path) -> None:
        self._stages = root.resolve() / "stages"

    def get_or_make(self, recipe: Recipe, make: Make) -> Stage:
        """The stage of a recipe: from disk if it is complete, else made by `make(artifact, scratch)`.

        Raises what `make` raises; then there is no stage.
        """
        with self._locked(recipe):
            return self._find(recipe) or self._make(recipe, make)

    def find(self, recipe: Recipe) -> Stage | None:
        """The stage, if it is on disk and complete."""
        with self._locked(recipe):
            return self._find(recipe)

    def has(self, recipe: Recipe) -> bool:
        """Whether the stage is on disk, without a look at its files."""
        return (self._stages / recipe.name / MANIFEST).is_file()

    def file(self, recipe: Recipe, name: str) -> Path | None:
        """A file of the stage's artifact; None where there is none, or no stage."""
        path = self._stages / recipe.name / ARTIFACT / name
        return path if self.has(recipe) and path.is_file() else None

    @contextlib.contextmanager
    def _locked(self, recipe: Recipe) -> Iterator[None]:
        lock = self._stages / ".locks" / recipe.name
        with locks.file_lock(lock, f"{recipe.name}: waiting for the process that is making it"):
            yield

    def _find(self, recipe: Recipe) -> Stage | None:
        directory = self._stages / recipe.name
        if not directory.exists():
            return None
        try:
            manifest = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))
            _ = manifest["kind"], manifest["notes"].keys(), manifest["seconds"]
            problem = damage(directory / ARTIFACT, manifest["files"])
            if problem is None and manifest["fingerprint"] != recipe.fingerprint:
                problem = "another fingerprint"
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            problem = f"no readable manifest ({type(error).__name__})"
        if problem is None:
            shutil.rmtree(self._stages / ".work" / recipe.name, ignore_errors=True)  # left by a kill right after the rename
            return Stage(directory, manifest, reused=True)
        log.warning("warning: stage %s is damaged (%s); it is made again", recipe.name, problem)
        shutil.rmtree(directory)
        return None

    def _make(self, recipe: Recipe, make: Make) -> Stage:
        work = self._stages / ".work" / recipe.name
        fresh, scratch = work / "stage", work / "scratch"
        shutil.rmtree(fresh, ignore_errors=True)
        (fresh / ARTIFACT).mkdir(parents=True)
        scratch.mkdir(exist_ok=True)
        start = time.monotonic()
        notes = make(fresh / ARTIFACT, scratch)
        manifest = {
            "fingerprint": recipe.fingerprint,
            "kind": recipe.kind,
            "settings": recipe.settings,
            "inputs": recipe.inputs,
            "notes": notes,
            "files": listing(fresh / ARTIFACT),
            "seconds": round(time.monotonic() - start, 1),
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        (fresh / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        for path in [*fresh.rglob("*"), fresh]:
            _sync(path)
        directory = self._stages / recipe.name
        os.rename(fresh, directory)
        _sync(self._stages)
        shutil.rmtree(work)
        return Stage(directory, manifest, reused=False)


def listing(directory: Path) -> dict[str, dict[str, Any]]:
    """Relative path -> size in bytes and SHA-256, for every file below a directory."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix(): {"bytes": path.stat().st_size, "sha256": sha256(path)} for path in files}


def damage(directory: Path, expected: dict[str, dict[str, Any]]) -> str | None:
    """How a directory differs from its listing; None if it does not."""
    found = listing(directory)
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            return f"{name} is missing"
        if name not in expected:
            return f"{name} is not in its manifest"
        if found[name] != expected[name]:
            return f"{name} has changed"
    return None


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
