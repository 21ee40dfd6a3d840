"""A description of the machine, and of its load during a measurement: both decide how far a latency can be trusted.

Only the cores that this process may use are considered. What the platform does not report is left out and listed by
`unknown_facts`. In a container the cores are the host's.
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
    ROOT,
    allowed_cores,
    capacity,
    core_times,
    governor,
    physical_package,
    quota_cores,
    seconds_spent,
    siblings,
    smt_siblings,
)
from pipeline.system.cpu import X86, brand, flags

FLAGS = {
    "avx2", "avx_vnni", "avxvnni", "avx512f", "avx512_vnni", "avx512vnni", "avx512_bf16", "avx512_fp16",
    "amx_tile", "amx_int8", "amx_bf16", "asimddp", "asimdhp", "i8mm", "bf16", "sve", "sve2", "svei8mm", "svebf16",
}  # fmt: skip
SETTLE_S = 0.5  # 50 ticks of most kernels, so one tick is 2 % of a core
SAMPLE_S = 0.2  # long enough to tell a busy core from an idle one
MAX_IDLE_TENTHS = 1  # an idle core is busy for at most this many tenths of SAMPLE_S
MAX_OTHER_CORES = 0.25  # an idle system uses less than 0.1; one busy process uses 1
MAX_OTHER_SHARE = 0.125  # of the cores: many cores together always have some background work
BEFORE_FACTOR = 2.0  # the limit before the measurement is higher by this factor, since the sample is short
MAX_STEAL = 0.05  # of the busy time; about the smallest difference that matters


@functools.cache
def machine() -> dict[str, Any]:
    """The properties of the machine that influence latency; unknown ones are left out."""
    import psutil

    cores = allowed_cores()
    facts = {
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
    return {name: value for name, value in facts.items() if value is not None}


def machine_name() -> str:
    """The machine as an MLflow tag. Results of different machines are not compared."""
    return "{cpu}, {cores} cores, {system}".format(**machine())


def unknown_facts() -> list[str]:
    """What this platform does not report or allow, one phrase each."""
    cores, known = allowed_cores(), core_times()
    lacks = {
        "no CPU affinity: workers are not pinned, and every core is counted as allowed": not cores,
        "no processor flags": not flags(),
        "no frequency governor": governor(cores) is None,
        "no list of the cores that share a physical core": smt_siblings(cores) is None,
        "no cgroups: a CPU quota would not be seen": not (ROOT / "proc/self/cgroup").exists(),
        "no readable energy counters (RAPL): the energy per text is unknown": not any(
            os.access(zone / "energy_uj", os.R_OK) for zone in ROOT.glob("sys/class/powercap/*:0")
        ),
        "no hypervisor flag: whether the machine is virtual is unknown": _virtual() is None,
        "no load average": load_average() is None,
        "no CPU times: what other processes used is unknown": not any(sum(core) for core in known.values()),
        "no steal time: what a hypervisor took is unknown": not all(hasattr(core, "steal") for core in known.values()),
    }
    return [phrase for phrase, is_lacking in lacks.items() if is_lacking]


def load_average() -> float | None:
    """The 1-minute load average: processes that ran or waited for a core; None if unknown."""
    try:
        return os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    except OSError:
        return None


def _virtual() -> bool | None:
    if "hypervisor" in flags():
        return True
    reports_it = platform.system() == "Linux" and platform.machine().lower() in X86 and flags()
    return False if reports_it else None


def least_busy_cores(count: int) -> list[int]:
    """`count` of the allowed cores, to pin a worker to; their load is sampled for 0.2 s.

    Idle cores are preferred, then cores that share no physical core with a chosen one, then faster, less busy and higher
    ones. Returns them sorted; all allowed cores if there are no more than `count`; [] if the platform has no CPU affinity.
    """
    cores = allowed_cores()
    if len(cores) <= count:
        return cores
    before = core_times()
    time.sleep(SAMPLE_S)
    busy_s = seconds_spent(before, core_times(), BUSY)
    tenths = {core: round(10 * busy_s.get(core, 0.0) / SAMPLE_S) for core in cores}  # not finer than a tick
    fast, near = {core: capacity(core) for core in cores}, {core: siblings(core) for core in cores}
    chosen: list[int] = []

    def rank(core: int) -> tuple[Any, ...]:
        return tenths[core] > MAX_IDLE_TENTHS, bool(near[core] & set(chosen)), -fast[core], tenths[core], -core

    while len(chosen) < count:
        chosen.append(min((core for core in cores if core not in chosen), key=rank))
    return sorted(chosen)


def cores_for_loading(cores: Sequence[int]) -> list[int]:
    """The cores on which a second process can load meanwhile: other allowed ones, in the same package if that is known.

    So its memory is as near to `cores` as if it loaded there. Returns `cores` if there are no others.
    """
    others = [core for core in allowed_cores() if core not in cores]
    near = [core for core in others if physical_package(core) in {physical_package(own) for own in cores}]
    return near or others or list(cores)


@dataclass(frozen=True)
class Conditions:
    """The load of the machine during a measurement. None: the platform does not report it."""

    load_before: float | None  # 1-minute load average
    busy_before: float | None  # cores in use just before
    busy_others: float | None  # cores in use by other processes meanwhile
    steal: float | None  # share of the busy time that a hypervisor took
    wall_s: float
    own_cpu_share: float  # CPU time of this process, without its workers, by wall time
    cores: int = 1  # number of observed cores

    @property
    def contended(self) -> str | None:
        """Why a latency measured then is doubtful, in one phrase; None without a reason."""
        allowed = max(MAX_OTHER_CORES, MAX_OTHER_SHARE * self.cores)
        if self.busy_others is not None and self.busy_others > allowed:
            return f"other processes used {self.busy_others:.1f} cores while it was measured"
        if self.steal is not None and self.steal > MAX_STEAL:
            return f"the hypervisor took {self.steal:.0%} of the processor's time while it was measured"
        if self.busy_before is not None and self.busy_before > BEFORE_FACTOR * allowed:
            return f"{self.busy_before:.1f} cores were busy just before it was measured"
        return None

    def metrics(self) -> dict[str, float]:
        """The metrics for MLflow; unknown ones are left out."""
        values = {
            "machine/load_before": self.load_before,
            "machine/busy_before_cores": self.busy_before,
            "machine/busy_others_cores": self.busy_others,
            "machine/steal": self.steal,
            "machine/parent_cpu": self.own_cpu_share,
        }
        return {name: value for name, value in values.items() if value is not None}


class LoadMonitor:
    """Reads the CPU times of the allowed cores at `start` and at `stop`; it uses no CPU in between."""

    def __init__(self, load_before: float | None, busy_before: float | None) -> None:
        self._load_before, self._busy_before = load_before, busy_before
        self._times, self._own_s, self._start_s = core_times(), time.process_time(), time.perf_counter()
        self._workers_s = _children_cpu_s()

    @classmethod
    def start(cls, settle_s: float = SETTLE_S) -> "LoadMonitor":
        """Sample the load for `settle_s` seconds before the measurement, then start."""
        load, before, start_s = load_average(), core_times(), time.perf_counter()
        time.sleep(settle_s)
        return cls(load, _busy_cores(before, core_times(), time.perf_counter() - start_s) if settle_s > 0 else None)

    def stop(self) -> Conditions:
        """The conditions since `start`. All workers must have ended, so that their CPU time is not counted as others'."""
        now, parent_s, workers_s = core_times(), time.process_time() - self._own_s, _children_cpu_s() - self._workers_s
        wall_s = time.perf_counter() - self._start_s
        busy = _busy_cores(self._times, now, wall_s)
        others = None if busy is None else max(0.0, busy - (workers_s + parent_s) / wall_s)
        steal = None if busy is None else _steal(self._times, now)
        return Conditions(self._load_before, self._busy_before, others, steal, wall_s, parent_s / wall_s, len(self._times))


def _children_cpu_s() -> float:
    """CPU seconds of all child processes that have ended."""
    used = os.times()
    return used.children_user + used.children_system


def _busy_cores(before: dict[int, Any], after: dict[int, Any], wall_s: float) -> float | None:
    """The number of cores in use on average; waiting for a disk does not count. None if unknown."""
    if not any(seconds_spent(before, after, BUSY + IDLE).values()):
        return None  # some sandboxes report zeros only
    return sum(seconds_spent(before, after, BUSY).values()) / wall_s


def _steal(before: dict[int, Any], after: dict[int, Any]) -> float | None:
    """The share of the busy time that a hypervisor took; None if unknown."""
    if not all(hasattr(core, "steal") for core in after.values()):
        return None
    wanted_s = sum(seconds_spent(before, after, (*BUSY, "steal")).values())
    return sum(seconds_spent(before, after, ("steal",)).values()) / wanted_s if wanted_s > 0 else 0.0
