"""The processor: its name, its flags, and its support for bfloat16 and int8.

Processors with VNNI or AMX (x86) or the dot product instructions (ARM) multiply int8 and accumulate in 32 bits. Older x86
processors use an instruction that adds two products in 16 bits and saturates: their weights must have 7 bits, and int8 is
much less of a speed-up.
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
REDUCE_RANGE = ("auto", "always", "never")  # choices of the setting
X86 = {"x86_64", "amd64", "i686", "i386", "x86"}


class Int8Support(NamedTuple):
    """A processor's support for int8."""

    fast: bool  # it has instructions for int8
    reduce_range: bool  # weights must have 7 bits, else sums saturate
    why: str  # for messages: the instructions that it has or lacks


def int8_support_of(flags: frozenset[str], machine: str, system: str) -> Int8Support:
    """The support of a processor with these flags, `platform.machine()` and `platform.system()`."""
    x86 = machine.lower() in X86
    known = FAST_X86 if x86 else FAST_ARM
    found = sorted({known[flag] for flag in flags if flag in known})
    if found:
        return Int8Support(True, False, f"the processor has {' and '.join(found)} instructions")
    if x86:
        return Int8Support(False, True, "the processor has neither VNNI nor AMX instructions")
    if system == "Darwin":  # it reports no flags; every ARM Mac has the instructions
        return Int8Support(True, False, "the processor has dot product instructions")
    return Int8Support(False, False, "the processor has no dot product instructions")


@functools.cache
def int8_support() -> Int8Support:
    """The support of this processor."""
    return int8_support_of(flags(), platform.machine(), platform.system())


@functools.cache
def int8_instructions() -> str:
    """The instructions for int8 that this processor has, such as "AMX and VNNI", or "none for int8"."""
    known = FAST_X86 if platform.machine().lower() in X86 else FAST_ARM
    return " and ".join(sorted({known[flag] for flag in flags() if flag in known})) or "none for int8"


def needs_reduced_range(setting: str) -> bool:
    """Whether int8 weights get 7 bits instead of 8; "auto": if this processor needs it (see `REDUCE_RANGE`)."""
    return int8_support().reduce_range if setting == "auto" else setting == "always"


def bfloat16_instructions(flags: frozenset[str]) -> list[str]:
    """The names of the instructions for bfloat16 matrix products among these flags."""
    return [name for flag, name in BFLOAT16.items() if flag in flags]


def has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 matrices in hardware."""
    return bool(bfloat16_instructions(flags()))


def warn_if_slow(support: Int8Support) -> None:
    """Log a warning if int8 gains little speed on this processor."""
    if not support.fast:
        log.warning("warning: int8 makes the classifier smaller, but gains little speed here: %s", support.why)


@functools.cache
def flags() -> frozenset[str]:
    """The processor's features by their names in Linux; empty if unknown."""
    listed = _proc_cpuinfo().get("flags") or _proc_cpuinfo().get("Features")  # x86, ARM
    return frozenset(listed.split() if listed else _py_cpuinfo().get("flags", []))


@functools.cache
def brand() -> str:
    """The processor's name."""
    name = _proc_cpuinfo().get("model name") or _py_cpuinfo().get("brand_raw")
    return str(name or platform.processor() or "unknown")


@functools.cache
def _proc_cpuinfo() -> dict[str, str]:
    info = Path("/proc/cpuinfo")
    values: dict[str, str] = {}
    for line in info.read_text(encoding="utf-8", errors="replace").splitlines() if info.exists() else []:
        name, _, value = line.partition(":")
        values.setdefault(name.strip(), value.strip())  # of the first core
    return values


@functools.cache
def _py_cpuinfo() -> dict[str, Any]:
    from cpuinfo import get_cpu_info  # takes a second

    return dict(get_cpu_info())
