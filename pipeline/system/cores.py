"""The cores and the memory that this process may use, and the CPU times of cores. None: the system does not say."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

ROOT = Path("/")
BUSY, IDLE = ("user", "nice", "system", "irq", "softirq"), ("idle", "iowait")  # "user" and "nice" include guests
Times = dict[int, Any]  # core -> psutil's CPU times of it, in seconds since the system started


def allowed_cores() -> list[int]:
    """The numbers of the cores that this process may use; [] where the platform has no CPU affinity."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def core_times() -> Times:
    """CPU times of each allowed core since the system started; of all cores if it is unknown which are allowed."""
    import psutil

    per_core = psutil.cpu_times(percpu=True)
    lines = (_read(ROOT / "proc/stat") or "").splitlines()
    names = [name for name in (line.split(" ")[0] for line in lines) if name[:3] == "cpu" and name[3:].isdecimal()]
    numbers = [int(name[3:]) for name in names] or range(len(per_core))  # an offline core has no line
    cores = dict(zip(numbers, per_core, strict=False))
    allowed = allowed_cores()
    return {core: cores[core] for core in allowed} if allowed and set(allowed) <= set(cores) else cores


def seconds_spent(before: Times, after: Times, kinds: tuple[str, ...]) -> dict[int, float]:
    """Seconds that each core spent in these kinds of CPU time, between two results of `core_times()`."""

    def seconds(core: Any) -> float:
        return sum(getattr(core, kind, 0.0) for kind in kinds)

    return {number: seconds(after[number]) - seconds(before[number]) for number in before if number in after}


def quota_cores(system: Path = ROOT) -> float | None:
    """The CPU quota of this process in cores: the smallest one of its cgroup and the cgroups above; None without a quota.

    `system` is the directory that contains `proc` and `sys`.
    """
    quotas = [_quota(cgroup) for cgroup in _cgroups("cpu", system)]
    return min((quota for quota in quotas if quota is not None), default=None)


def free_memory(system: Path = ROOT) -> int:
    """Bytes of memory that this process can still allocate: what is available, or less if a cgroup has a limit."""
    import psutil

    left = [int(psutil.virtual_memory().available)]
    for cgroup in _cgroups("memory", system):
        for most, used in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")):
            limit, taken = _read(cgroup / most) or "", _read(cgroup / used) or ""
            if limit.isdecimal() and taken.isdecimal():  # "max" is no limit
                left.append(max(0, int(limit) - int(taken)))
    return min(left)


def _cgroups(controller: str, system: Path) -> Iterator[Path]:
    """The directories of this process's cgroup and of the cgroups above. Some of them may not exist."""
    for line in (_read(system / "proc/self/cgroup") or "").splitlines():
        _, controllers, own = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        mounts = (controller, controllers) if controllers else ("", "unified")  # version 1; version 2, alone or next to 1
        for folder in (PurePosixPath(own), *PurePosixPath(own).parents):
            yield from (system / "sys/fs/cgroup" / mount / folder.relative_to("/") for mount in mounts)


def _quota(cgroup: Path) -> float | None:
    text = _read(cgroup / "cpu.max") or f"{_read(cgroup / 'cpu.cfs_quota_us')} {_read(cgroup / 'cpu.cfs_period_us')}"
    quota, period = text.split()
    return int(quota) / int(period) if quota.isdecimal() and period.isdecimal() else None  # "max" and -1 are no quota


def governor(cores: list[int], system: Path = ROOT) -> str | None:
    """The frequency governor of these cores, such as "performance"; several if they differ, None if unknown."""
    names = {_read(system / f"sys/devices/system/cpu/cpu{core}/cpufreq/scaling_governor") for core in cores}
    return ", ".join(sorted(name for name in names if name)) or None


def physical_package(core: int, system: Path = ROOT) -> str | None:
    """The id of the processor package that a core belongs to; None if unknown."""
    return _read(system / f"sys/devices/system/cpu/cpu{core}/topology/physical_package_id")


def smt_siblings(cores: list[int], system: Path = ROOT) -> list[str] | None:
    """The groups of cores that share a physical core, such as "0,32" or "0-1"; None if unknown."""
    lists = {_read(system / f"sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list") for core in cores}
    known = {siblings for siblings in lists if siblings}
    return sorted(siblings for siblings in known if not siblings.isdecimal()) if known else None


def siblings(core: int, system: Path = ROOT) -> set[int]:
    """The cores that share a physical core with this one, including itself; only itself if unknown."""
    text = _read(system / f"sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list") or str(core)
    ends = [part.split("-") for part in text.split(",")]
    return {number for end in ends for number in range(int(end[0]), int(end[-1]) + 1)}


def capacity(core: int, system: Path = ROOT) -> int:
    """The relative speed of a core, for processors with several kinds of cores: a number without a unit, 0 if unknown."""
    cpu = system / f"sys/devices/system/cpu/cpu{core}"
    text = _read(cpu / "cpu_capacity") or _read(cpu / "cpufreq/cpuinfo_max_freq") or "0"
    return int(text) if text.isdecimal() else 0


def _read(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError:
        return None
