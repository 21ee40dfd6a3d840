"""What this process may use, cores and memory, what limits it, and what cores did. None: the system does not tell."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

SYSTEM = Path("/")
BUSY, IDLE = ("user", "nice", "system", "irq", "softirq"), ("idle", "iowait")  # what guests use is in "user" and "nice"
Times = dict[int, Any]  # core -> psutil's seconds of each kind since the system started


def allowed_cores() -> list[int]:
    """The numbers of the cores that this process may use; [] where the platform has no CPU affinity."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def times() -> Times:
    """What each allowed core did since the system started; all cores where it is unknown which of them are allowed."""
    import psutil

    told = psutil.cpu_times(percpu=True)
    lines = (_told(SYSTEM / "proc/stat") or "").splitlines()
    names = [name for name in (line.split(" ")[0] for line in lines) if name[:3] == "cpu" and name[3:].isdecimal()]
    numbers = [int(name[3:]) for name in names] or range(len(told))  # a core that is switched off has no line
    cores = dict(zip(numbers, told, strict=False))
    allowed = allowed_cores()
    return {core: cores[core] for core in allowed} if allowed and set(allowed) <= set(cores) else cores


def spent(before: Times, after: Times, kinds: tuple[str, ...]) -> dict[int, float]:
    """Seconds that each core spent between two `times()` in these kinds of time."""

    def seconds(core: Any) -> float:
        return sum(getattr(core, kind, 0.0) for kind in kinds)

    return {number: seconds(after[number]) - seconds(before[number]) for number in before if number in after}


def quota_cores(system: Path = SYSTEM) -> float | None:
    """How many cores' worth of time this process may use: the smallest quota of its cgroup and of those above it.

    None without a quota. `system` is the directory that holds `proc` and `sys`.
    """
    quotas = [_quota(cgroup) for cgroup in _cgroups("cpu", system)]
    return min((quota for quota in quotas if quota is not None), default=None)


def free_memory(system: Path = SYSTEM) -> int:
    """Bytes that this process may still take: what the machine has left, or less where a cgroup has a limit."""
    import psutil

    left = [int(psutil.virtual_memory().available)]
    for cgroup in _cgroups("memory", system):
        for most, used in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")):
            limit, taken = _told(cgroup / most) or "", _told(cgroup / used) or ""
            if limit.isdecimal() and taken.isdecimal():  # "max" is no limit
                left.append(max(0, int(limit) - int(taken)))
    return min(left)


def _cgroups(controller: str, system: Path) -> Iterator[Path]:
    """The directories of this process's cgroup and of those above it, some of which are not there."""
    for line in (_told(system / "proc/self/cgroup") or "").splitlines():
        _, controllers, own = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        mounts = (controller, controllers) if controllers else ("", "unified")  # version 1; version 2, alone or next to 1
        for folder in (PurePosixPath(own), *PurePosixPath(own).parents):
            yield from (system / "sys/fs/cgroup" / mount / folder.relative_to("/") for mount in mounts)


def _quota(cgroup: Path) -> float | None:
    told = _told(cgroup / "cpu.max") or f"{_told(cgroup / 'cpu.cfs_quota_us')} {_told(cgroup / 'cpu.cfs_period_us')}"
    quota, period = told.split()
    return int(quota) / int(period) if quota.isdecimal() and period.isdecimal() else None  # "max" and -1 are no quota


def governor(cores: list[int], system: Path = SYSTEM) -> str | None:
    """What sets the frequency of these cores, such as `performance`; several where they differ, None where untold."""
    told = {_told(system / f"sys/devices/system/cpu/cpu{core}/cpufreq/scaling_governor") for core in cores}
    return ", ".join(sorted(name for name in told if name)) or None


def package(core: int, system: Path = SYSTEM) -> str | None:
    """The physical processor that a core is part of; None where it is not told."""
    return _told(system / f"sys/devices/system/cpu/cpu{core}/topology/physical_package_id")


def smt_siblings(cores: list[int], system: Path = SYSTEM) -> list[str] | None:
    """Which cores are one physical core together, such as `0,32` or `0-1`; None where it is not told."""
    told = {_told(system / f"sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list") for core in cores}
    known = {siblings for siblings in told if siblings}
    return sorted(siblings for siblings in known if not siblings.isdecimal()) if known else None


def siblings(core: int, system: Path = SYSTEM) -> set[int]:
    """Which cores are one physical core with this one, itself among them; just itself where it is not told."""
    told = _told(system / f"sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list") or str(core)
    ends = [part.split("-") for part in told.split(",")]
    return {number for end in ends for number in range(int(end[0]), int(end[-1]) + 1)}


def capacity(core: int, system: Path = SYSTEM) -> int:
    """How fast a core is beside others of a processor that has several kinds: a number without a unit, 0 where untold."""
    cpu = system / f"sys/devices/system/cpu/cpu{core}"
    told = _told(cpu / "cpu_capacity") or _told(cpu / "cpufreq/cpuinfo_max_freq") or "0"
    return int(told) if told.isdecimal() else 0


def _told(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError:
        return None
