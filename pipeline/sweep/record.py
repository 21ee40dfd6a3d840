"""What is known of a sweep, on disk: one file for the sweep and one for each job, written whole or not at all."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.config import Config, Sweep, digest, plain
from pipeline.system.processes import is_gone

SETTLED = ("finished", "failed", "exited", "killed")  # a job that is over; others: running, made, interrupted


@dataclass(frozen=True)
class Status:
    """One job."""

    job: int  # counted from 0
    optim: str
    settings: str  # what it has that others have not, besides the optimization
    experiment: str
    digest: str  # of its configuration
    state: str = "running"
    reason: str = ""
    mendable: bool = False  # the reason is something the user can mend
    seconds: float = 0.0
    run_id: str = ""  # of the run that was made or finished; of one from before a kill while it is looked at again
    objective: tuple[float, ...] = ()
    made: tuple[str, ...] = ()  # stages
    reused: tuple[str, ...] = ()
    before: bool = False  # it was finished before the sweep was killed and started again

    @property
    def name(self) -> str:
        """What the job is called in tables."""
        return " ".join(filter(None, [self.optim, self.settings]))


class Record:
    """The directory of a sweep."""

    def __init__(self, root: str, sweep_id: str) -> None:
        self.folder = Path(root).resolve() / "sweeps" / sweep_id
        self.sweep_id = sweep_id

    def write_sweep(self, **values: Any) -> None:
        """Set values of the sweep itself: key, command, jobs, ended."""
        _write(self.folder / "sweep.json", self.sweep() | values)

    def sweep(self) -> dict[str, Any]:
        """The values of the sweep itself."""
        return _read(self.folder / "sweep.json") or {}

    def numbered(self, config: Config, number: int, overrides: Sequence[str]) -> Config:
        """A job's configuration, with what it is in this sweep; `overrides` are the job's own."""
        keys = set(self.sweep()["varying"])
        shared = settings_of(overrides, {key for key in keys if not re.match(r"(step@)?optim\.", key)})
        seed = f"seed={config.seed}" if "seed" in keys else ""
        own = Sweep(self.sweep_id, number, settings=settings_of(overrides, keys), shared=shared, seed=seed)
        return replace(config, sweep=own)

    def write(self, status: Status) -> None:
        """Set a job's status."""
        _write(self.folder / f"job-{status.job}.json", asdict(status))

    def status(self, job: int) -> Status | None:
        """A job's status; None before it has started."""
        values = _read(self.folder / f"job-{job}.json")
        if values is None:
            return None
        for name in ("objective", "made", "reused"):
            values[name] = tuple(values[name])
        return Status(**values)

    def statuses(self) -> list[Status]:
        """All jobs that have started, in order."""
        numbers = sorted(int(path.stem.removeprefix("job-")) for path in self.folder.glob("job-*.json"))
        return [status for number in numbers if (status := self.status(number)) is not None]

    def traceback(self, job: int) -> Path:
        """Where a job's traceback lies, if it has one."""
        return self.folder / f"job-{job}.traceback.txt"


def unended(root: str, key: str) -> Record | None:
    """The newest sweep of the same jobs that a kill or Ctrl-C has cut off."""
    for folder in sorted((Path(root).resolve() / "sweeps").glob("*/"), reverse=True):
        record = Record(root, folder.name)
        sweep = record.sweep()
        if sweep.get("key") == key and not sweep.get("ended") and is_gone(sweep.get("process", "")):
            return record
    return None


def identity(config: Config) -> str:
    """A digest of everything that decides a job, whichever sweep it belongs to."""
    return digest(plain(replace(config, sweep=Sweep(), explain=False)))


def varying(jobs: Sequence[Sequence[str]]) -> set[str]:
    """The keys of the overrides whose values differ between jobs."""
    values: dict[str, set[str]] = {}
    for overrides in jobs:
        for override in overrides:
            key, _, value = override.partition("=")
            values.setdefault(key.lstrip("+"), set()).add(value)
    return {key for key, found in values.items() if len(found) > 1}


def settings_of(overrides: Sequence[str], keys: set[str]) -> str:
    """A job's values of the keys that vary, optimization, seed, data and backbone apart.

    By the last part of their names, unless two keys have the same.
    """
    pairs = [override.lstrip("+").partition("=") for override in overrides]
    shown = [(key, value) for key, _, value in pairs if key in keys - {"optim", "seed", "data", "backbone"}]
    last = [key.rpartition(".")[2] for key, _ in shown]
    names = [short if last.count(short) == 1 else key for short, (key, _) in zip(last, shown, strict=True)]
    return " ".join(f"{name}={value}" for name, (_, value) in zip(names, shown, strict=True))


def _read(path: Path) -> dict[str, Any] | None:
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return values


def _write(path: Path, values: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(values, indent=1), encoding="utf-8")
    fresh.replace(path)
