"""Waiting for something to happen, as long as it may take on a busy machine."""

import time
from collections.abc import Callable
from typing import Any

LIMIT_S = 600  # so that what hangs ends at last; no test needs as long, on a busy machine neither


def wait_for(reached: Callable[[], bool], process: Any = None) -> None:
    """Wait until something is so; fails when the process ends before, or after a time that is long enough for anything."""
    end = time.monotonic() + LIMIT_S
    while not reached():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)
