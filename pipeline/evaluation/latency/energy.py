"""Energy, where the machine tells: the RAPL counters of its processor packages, read through `zeus`; never an estimate.

It needs the library (the extra `energy`), Linux on a processor with these counters (Intel since 2011, AMD Zen), and the
right to read them (root, on most systems). Virtual machines have none. Where one of these is missing, so is the metric.
"""

from pathlib import Path
from typing import NamedTuple

POWERCAP = Path("/sys/class/powercap")


class Counter(NamedTuple):
    """A package's energy since some moment, in microjoules; after `range_uj` it starts at 0 again."""

    uj: float
    range_uj: float


def counters() -> dict[str, Counter]:
    """The counters of all processor packages now, by zone; {} where they are not told.

    A package is the whole chip, all its cores, caches and memory controllers, whoever keeps them busy or idle.
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
    except (OSError, ZeusBaseError):  # most often for want of permission
        return {}
    packages = {zone: file for zone, file in zones.items() if file.name.startswith("package")}  # "psys" holds them again
    return {zone: Counter(file.last_energy, file.max_energy_range_uj) for zone, file in packages.items()}


def spent_j(before: dict[str, Counter], after: dict[str, Counter]) -> float:
    """Joules between two readings; a counter may have started again once, as it does after half an hour or more."""
    return sum((after[zone].uj - uj) % range_uj for zone, (uj, range_uj) in before.items() if zone in after) / 1e6
