"""The state of a sweep on disk: a JSON file for the sweep and one for each job, replaced atomically."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.config import Config, Sweep, digest, plain
from pipeline.steps.finetune import finetuned_models
from pipeline.system.processes import is_gone

FINAL_STATES = (
    "finished",
    "failed",
    "exited",
    "killed",
)  # others: running, made, interrupted


@dataclass(frozen=True)
class Status:
    """One job."""

    job: int  # counted from 0
    optim: str
    settings: str  # the values of the keys that the sweep varies, besides the optimization
    experiment: str
    digest: str  # of its configuration
    state: str = "running"
    reason: str = ""
    mendable: bool = False  # the reason is a UserError
    seconds: float = 0.0
    run_id: str = ""  # the MLflow run of this job, or of the interrupted attempt while that is checked
    objective: tuple[float, ...] = ()
    made: tuple[str, ...] = ()  # names of stages
    reused: tuple[str, ...] = ()
    before: bool = False  # an earlier, interrupted start of the sweep has finished it

    @property
    def name(self) -> str:
        """The job's name in tables."""
        return " ".join(filter(None, [self.optim, self.settings]))


class Record:
    """The directory of a sweep."""

    def __init__(self, root: str, sweep_id: str) -> None:
        self.folder = Path(root).resolve() / "sweeps" / sweep_id
        self.sweep_id = sweep_id

    def write_sweep(self, **values: Any) -> None:
        """Update values of the sweep: key, command, jobs, varying, process, ended."""
        _write(self.folder / "sweep.json", self.sweep() | values)

    def sweep(self) -> dict[str, Any]:
        """The values that `write_sweep` has written."""
        return _read(self.folder / "sweep.json") or {}

    def job_config(self, config: Config, number: int, overrides: Sequence[str]) -> Config:
        """A job's configuration with `config.sweep` filled in; `overrides` are the job's own."""
        keys = set(self.sweep()["varying"])
        shared = settings_of(overrides, {key for key in keys if concerns_baseline(key, config)})
        seed = f"seed={config.seed}" if "seed" in keys else ""
        own = Sweep(self.sweep_id, number, settings=settings_of(overrides, keys), shared=shared, seed=seed)
        return replace(config, sweep=own)

    def write(self, status: Status) -> None:
        """Write a job's status."""
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
        """The file of a job's traceback; it exists only if the job raised an error that is no UserError."""
        return self.folder / f"job-{job}.traceback.txt"


def find_interrupted(root: str, key: str) -> Record | None:
    """The newest interrupted sweep with this key, that is, of the same jobs; None without one."""
    for folder in sorted((Path(root).resolve() / "sweeps").glob("*/"), reverse=True):
        record = Record(root, folder.name)
        sweep = record.sweep()
        if sweep.get("key") == key and not sweep.get("ended") and is_gone(sweep.get("process", "")):
            return record
    return None


def identity(config: Config) -> str:
    """A digest of a job's configuration, without the sweep it belongs to."""
    return digest(plain(replace(config, sweep=Sweep(), explain=False)))


def concerns_baseline(key: str, config: Config) -> bool:
    """Whether the baseline depends on a setting: not on the optimization's own, nor on how others' networks are trained."""
    found = re.match(r"backbone\.(\w+)\.finetune\.", key)
    if found:
        return found[1] in finetuned_models(config.baseline, config.backbone)
    return not re.match(r"(step@)?optim\.", key)


def varying_keys(jobs: Sequence[Sequence[str]]) -> set[str]:
    """The keys of the overrides whose values differ between jobs."""
    values: dict[str, set[str]] = {}
    for overrides in jobs:
        for override in overrides:
            key, _, value = override.partition("=")
            values.setdefault(key.lstrip("+"), set()).add(value)
    return {key for key, found in values.items() if len(found) > 1}


def settings_of(overrides: Sequence[str], keys: set[str]) -> str:
    """A job's values of `keys`, without optimization, seed, data and backbone, such as "epochs=3 lr=0.01".

    A key is shown by the last part of its name, unless two keys share it.
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
    new = path.with_suffix(".new")
    new.write_text(json.dumps(values, indent=1), encoding="utf-8")
    new.replace(path)
