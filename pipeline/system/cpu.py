"""What this processor is, whether it multiplies bfloat16, and what it can do with int8: is it fast, do sums of products fit.

Processors with VNNI or AMX (x86) or the dot product instructions (ARM) multiply bytes and add the products up in 32 bits.
Older x86 processors use an instruction that adds two products in 16 bits and cuts what is too large: their weights must have
7 bits, and int8 gains much less speed.
"""

import functools
import logging
import platform
from pathlib import Path
from typing import Any, NamedTuple

log = logging.getLogger(__name__)
FAST_X86 = {"avx512_vnni": "VNNI", "avx512vnni": "VNNI", "avx_vnni": "VNNI", "avxvnni": "VNNI", "amx_int8": "AMX"}
FAST_ARM = {"asimddp": "dot product", "i8mm": "matrix product"}
BFLOAT16 = {"amx_bf16": "AMX", "avx512_bf16": "AVX-512", "svebf16": "SVE", "bf16": "ARM"}
REDUCED = ("auto", "always", "never")  # what `reduces` takes
X86 = {"x86_64", "amd64", "i686", "i386", "x86"}


class Int8Support(NamedTuple):
    """What a processor can do with int8."""

    fast: bool  # it has instructions for it
    reduce_range: bool  # weights must have 7 bits, or sums are cut
    why: str  # for a message: what the processor has or lacks


def int8_of(flags: frozenset[str], machine: str, system: str) -> Int8Support:
    """What a processor can do, by its flags, `platform.machine()` and `platform.system()`."""
    x86 = machine.lower() in X86
    known = FAST_X86 if x86 else FAST_ARM
    found = sorted({known[flag] for flag in flags if flag in known})
    if found:
        return Int8Support(True, False, f"the processor has {' and '.join(found)} instructions")
    if x86:
        return Int8Support(False, True, "the processor has neither VNNI nor AMX instructions")
    if system == "Darwin":  # it tells no flags; every ARM Mac has them
        return Int8Support(True, False, "the processor has dot product instructions")
    return Int8Support(False, False, "the processor has no dot product instructions")


@functools.cache
def int8_support() -> Int8Support:
    """What this processor can do."""
    return int8_of(flags(), platform.machine(), platform.system())


def reduces(setting: str) -> bool:
    """Whether int8 weights get 7 bits instead of 8: "always", "never", or "auto", where this processor needs it."""
    return int8_support().reduce_range if setting == "auto" else setting == "always"


def bfloat16_of(flags: frozenset[str]) -> list[str]:
    """The names of the instructions with which a processor that has these flags multiplies bfloat16 matrices."""
    return [name for flag, name in BFLOAT16.items() if flag in flags]


def bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 matrices in hardware."""
    return bool(bfloat16_of(flags()))


def warn_if_slow(support: Int8Support) -> None:
    """Say so where int8 can't be faster."""
    if not support.fast:
        log.warning("warning: int8 makes it smaller but less fast than it could be: %s", support.why)


@functools.cache
def flags() -> frozenset[str]:
    """The processor's features by the names Linux gives them; empty where nothing tells them."""
    told = _proc_cpuinfo().get("flags") or _proc_cpuinfo().get("Features")  # x86, ARM
    return frozenset(told.split() if told else _py_cpuinfo().get("flags", []))


@functools.cache
def brand() -> str:
    """The processor's name."""
    told = _proc_cpuinfo().get("model name") or _py_cpuinfo().get("brand_raw")
    return str(told or platform.processor() or "unknown")


@functools.cache
def _proc_cpuinfo() -> dict[str, str]:
    info = Path("/proc/cpuinfo")
    told: dict[str, str] = {}
    for line in info.read_text(encoding="utf-8", errors="replace").splitlines() if info.exists() else []:
        name, _, value = line.partition(":")
        told.setdefault(name.strip(), value.strip())  # of the first core
    return told


@functools.cache
def _py_cpuinfo() -> dict[str, Any]:
    from cpuinfo import get_cpu_info  # takes a second

    return dict(get_cpu_info())
