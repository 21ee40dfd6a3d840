"""What the machine is, and what else it did while something was measured: both decide how far a latency can be trusted.

Only the cores that this process may use count, so that nothing on the other cores of a large machine matters. What a
platform does not tell is left out, and `missing` says so. In a container these are the host's cores.
"""

import functools
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.system.cores import (
    BUSY,
    IDLE,
    SYSTEM,
    allowed_cores,
    capacity,
    governor,
    package,
    quota_cores,
    siblings,
    smt_siblings,
    spent,
    times,
)
from pipeline.system.cpu import X86, brand, flags

FLAGS = {
    "avx2", "avx_vnni", "avxvnni", "avx512f", "avx512_vnni", "avx512vnni", "avx512_bf16", "avx512_fp16",
    "amx_tile", "amx_int8", "amx_bf16", "asimddp", "asimdhp", "i8mm", "bf16", "sve", "sve2", "svei8mm", "svebf16",
}  # fmt: skip
SETTLE_S = 0.5  # 50 ticks of most kernels: one of them is 2 % of a core
GLANCE_S = 0.2  # enough to tell a busy core from an idle one
BUSY_TENTHS = 1  # of the time of such a glance: more is no idle core
OTHERS_CORES = 0.25  # an idle system is below 0.1; one process that never rests is 1
OTHERS_SHARE = 0.125  # of the cores: on many of them a little is always done, and little of it near ours
BEFORE_TIMES = 2.0  # as much is allowed just before, since that look is short
STOLEN_SHARE = 0.05  # as much as a difference that is worth knowing


@functools.cache
def machine() -> dict[str, Any]:
    """The machine, as far as it decides latency; what it does not tell is left out."""
    import psutil

    cores = allowed_cores()
    told = {
        "cpu": brand(),
        "flags": sorted(FLAGS & flags()),
        "cores": len(cores) or os.cpu_count() or 1,
        "machine_cores": os.cpu_count(),
        "quota_cores": quota_cores(),
        "governor": governor(cores),
        "smt_siblings": smt_siblings(cores),
        "virtual": _virtual(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
    }
    return {name: value for name, value in told.items() if value is not None}


def machine_name() -> str:
    """The machine as one tag: results of different ones are not compared."""
    return "{cpu}, {cores} cores, {system}".format(**machine())


def missing() -> list[str]:
    """What this platform does not tell or let us do, a phrase each."""
    cores, known = allowed_cores(), times()
    lacks = {
        "no CPU affinity: workers are not pinned, and every core counts as ours": not cores,
        "no processor flags": not flags(),
        "no frequency governor": governor(cores) is None,
        "no list of the cores that are one physical core": smt_siblings(cores) is None,
        "no cgroups: a CPU quota would not be seen": not (SYSTEM / "proc/self/cgroup").exists(),
        "no energy counters (RAPL) that may be read: what a text costs in energy is unknown": not any(
            os.access(zone / "energy_uj", os.R_OK) for zone in SYSTEM.glob("sys/class/powercap/*:0")
        ),
        "no hypervisor flag: whether the machine is virtual is unknown": _virtual() is None,
        "no load average": load_average() is None,
        "no CPU times: what other processes used is unknown": not any(sum(core) for core in known.values()),
        "no steal time: what a hypervisor took is unknown": not all(hasattr(core, "steal") for core in known.values()),
    }
    return [phrase for phrase, is_lacking in lacks.items() if is_lacking]


def load_average() -> float | None:
    """How many processes ran or waited for a core, averaged over the last minute; None where that is not told."""
    try:
        return os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    except OSError:
        return None


def _virtual() -> bool | None:
    if "hypervisor" in flags():
        return True
    tells = platform.system() == "Linux" and platform.machine().lower() in X86 and flags()
    return False if tells else None


def quietest(count: int) -> list[int]:
    """The cores to pin a worker to: `count` of the allowed ones, by what they do in the 0.2 s that it looks.

    Idle ones first; among these, one of each physical core, the fastest kind of core, the least busy, the last. Sorted; all
    where there are not more; [] where pinning is unknown.
    """
    cores = allowed_cores()
    if len(cores) <= count:
        return cores
    before = times()
    time.sleep(GLANCE_S)
    busy_s = spent(before, times(), BUSY)
    tenths = {core: round(10 * busy_s.get(core, 0.0) / GLANCE_S) for core in cores}  # less is the kernel's tick
    fast, near = {core: capacity(core) for core in cores}, {core: siblings(core) for core in cores}
    chosen: list[int] = []

    def rank(core: int) -> tuple[Any, ...]:
        return tenths[core] > BUSY_TENTHS, bool(near[core] & set(chosen)), -fast[core], tenths[core], -core

    while len(chosen) < count:
        chosen.append(min((core for core in cores if core not in chosen), key=rank))
    return sorted(chosen)


def beside(cores: Sequence[int]) -> list[int]:
    """Where a second process may load meanwhile: the other allowed cores, of the same package where that is told.

    So its memory is as near to `cores` as that of a process that loads there. The same cores where there are no others.
    """
    others = [core for core in allowed_cores() if core not in cores]
    near = [core for core in others if package(core) in {package(own) for own in cores}]
    return near or others or list(cores)


@dataclass(frozen=True)
class Conditions:
    """What else the machine did while something was measured. None: the platform does not tell."""

    load_before: float | None  # 1-minute load average
    busy_before: float | None  # cores' worth of work, just before
    busy_others: float | None  # cores' worth of work by other processes, meanwhile
    steal: float | None  # share of the time for which there was work that a hypervisor took
    wall_s: float
    own_cpu_share: float  # CPU time of the measuring process, its workers not counted, by wall time
    cores: int = 1  # that were watched

    @property
    def contended(self) -> str | None:
        """Why a latency of that time is doubtful, in one phrase; None where nothing is known against it."""
        allowed = max(OTHERS_CORES, OTHERS_SHARE * self.cores)
        if self.busy_others is not None and self.busy_others > allowed:
            return f"other processes used {self.busy_others:.1f} cores while it was measured"
        if self.steal is not None and self.steal > STOLEN_SHARE:
            return f"the hypervisor took {self.steal:.0%} of the processor's time while it was measured"
        if self.busy_before is not None and self.busy_before > BEFORE_TIMES * allowed:
            return f"{self.busy_before:.1f} cores were busy just before it was measured"
        return None

    def metrics(self) -> dict[str, float]:
        """As MLflow gets it; what is not known is left out."""
        told = {
            "machine/load_before": self.load_before,
            "machine/busy_before_cores": self.busy_before,
            "machine/busy_others_cores": self.busy_others,
            "machine/steal": self.steal,
            "machine/parent_cpu": self.own_cpu_share,
        }
        return {name: value for name, value in told.items() if value is not None}


class Watch:
    """What the allowed cores do from `start` to `stop`, by the system's own counters: nothing runs in between."""

    def __init__(self, load_before: float | None, busy_before: float | None) -> None:
        self._load_before, self._busy_before = load_before, busy_before
        self._times, self._own_s, self._start_s = times(), time.process_time(), time.perf_counter()
        self._workers_s = _of_ended_children()

    @classmethod
    def start(cls, settle_s: float = SETTLE_S) -> "Watch":
        """Look for `settle_s` at how busy it is before anything of ours runs, then watch."""
        load, before, start_s = load_average(), times(), time.perf_counter()
        time.sleep(settle_s)
        return cls(load, _busy_cores(before, times(), time.perf_counter() - start_s) if settle_s > 0 else None)

    def stop(self) -> Conditions:
        """What was seen. All workers that were started meanwhile have ended: what they used is not others' work."""
        now, parent_s, workers_s = times(), time.process_time() - self._own_s, _of_ended_children() - self._workers_s
        wall_s = time.perf_counter() - self._start_s
        busy = _busy_cores(self._times, now, wall_s)
        others = None if busy is None else max(0.0, busy - (workers_s + parent_s) / wall_s)
        steal = None if busy is None else _steal(self._times, now)
        return Conditions(self._load_before, self._busy_before, others, steal, wall_s, parent_s / wall_s, len(self._times))


def _of_ended_children() -> float:
    """CPU seconds of all child processes that have ended so far."""
    told = os.times()
    return told.children_user + told.children_system


def _busy_cores(before: dict[int, Any], after: dict[int, Any], wall_s: float) -> float | None:
    """Cores' worth of work; waiting for a disk is none."""
    if not any(spent(before, after, BUSY + IDLE).values()):
        return None  # a sandbox may show zeros only
    return sum(spent(before, after, BUSY).values()) / wall_s


def _steal(before: dict[int, Any], after: dict[int, Any]) -> float | None:
    """An idle core can't be stolen from: what was taken, by the time in which there was work."""
    if not all(hasattr(core, "steal") for core in after.values()):
        return None
    wanted_s = sum(spent(before, after, (*BUSY, "steal")).values())
    return sum(spent(before, after, ("steal",)).values()) / wanted_s if wanted_s > 0 else 0.0
