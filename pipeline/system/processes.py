"""Processes: an identifier for each, whether it is gone, and which signal an exit code means."""

import platform
import signal

CLOCK_TOLERANCE_S = 3  # tolerance: start times are computed from the clock, which may be adjusted


def this_process() -> str:
    """An identifier of this process for `is_gone`: machine, process id, start time."""
    import psutil

    process = psutil.Process()
    return f"{platform.node()} {process.pid} {process.create_time():.0f}"


def is_gone(process: str) -> bool:
    """Whether a process (see `this_process`) has ended; False for one of another machine."""
    import psutil

    node, _, rest = process.partition(" ")
    number, _, started = rest.partition(" ")
    if node != platform.node() or not number.isdecimal() or not started.isdecimal():
        return False
    try:
        return abs(psutil.Process(int(number)).create_time() - float(started)) > CLOCK_TOLERANCE_S
    except psutil.NoSuchProcess:
        return True


def signal_of(code: object) -> str | None:
    """The name of signal n for the exit code 128 + n; None for other codes."""
    return signal.Signals(code - 128).name if isinstance(code, int) and code - 128 in set(signal.Signals) else None
