"""Energy from the RAPL counters of the processor packages, read through `zeus`. It is measured, never estimated.

It needs the library (the extra `energy`), Linux on a processor with these counters (Intel since 2011, AMD Zen), and
permission to read them (root, on most systems). Virtual machines have no counters. If one of these is missing, there is no
energy metric.
"""

from pathlib import Path
from typing import NamedTuple

POWERCAP = Path("/sys/class/powercap")


class Counter(NamedTuple):
    """The energy counter of a package, in microjoules; it starts at 0 again after `range_uj`."""

    uj: float
    range_uj: float


def counters() -> dict[str, Counter]:
    """The current counters of all processor packages, by zone; {} where they are not available.

    A package is the whole chip: all cores, caches and memory controllers, whatever uses them.
    """
    if not POWERCAP.exists():
        return {}
    try:
        from zeus.device.cpu.rapl import RAPL_DIR, RAPLFile  # type: ignore[import-not-found]
        from zeus.exception import ZeusBaseError  # type: ignore[import-not-found]
    except ImportError:
        return {}
    try:
        zones = {path.name: RAPLFile(str(path)) for path in Path(RAPL_DIR).glob("intel-rapl:*")}
    except (OSError, ZeusBaseError):  # most often the permission is missing
        return {}
    packages = {
        zone: file for zone, file in zones.items() if file.name.startswith("package")
    }  # "psys" includes the packages
    return {zone: Counter(file.last_energy, file.max_energy_range_uj) for zone, file in packages.items()}


def spent_j(before: dict[str, Counter], after: dict[str, Counter]) -> float:
    """Joules between two readings; a counter may have restarted once, which takes half an hour or more."""
    return sum((after[zone].uj - uj) % range_uj for zone, (uj, range_uj) in before.items() if zone in after) / 1e6
