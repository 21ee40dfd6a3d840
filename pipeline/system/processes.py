"""Processes by name: whether one is gone, and which signal an exit code stands for."""

import platform
import signal

CLOCK_S = 3  # start times are reckoned from the clock, which may be set


def this_process() -> str:
    """This process, so that another can tell whether it is gone: machine, number, time of its start."""
    import psutil

    process = psutil.Process()
    return f"{platform.node()} {process.pid} {process.create_time():.0f}"


def is_gone(process: str) -> bool:
    """Whether a process of this machine has ended; False for those of other machines."""
    import psutil

    node, _, rest = process.partition(" ")
    number, _, started = rest.partition(" ")
    if node != platform.node() or not number.isdecimal() or not started.isdecimal():
        return False
    try:
        return abs(psutil.Process(int(number)).create_time() - float(started)) > CLOCK_S
    except psutil.NoSuchProcess:
        return True


def signal_of(code: object) -> str | None:
    """The name of the signal that an exit code of 128 + n tells of."""
    return signal.Signals(code - 128).name if isinstance(code, int) and code - 128 in set(signal.Signals) else None
