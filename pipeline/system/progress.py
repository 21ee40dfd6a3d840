"""Progress bars: lively on a terminal, a line every ten seconds in a log."""

import sys
from typing import Any

from tqdm.auto import tqdm


def bar(description: str, unit: str, total: int | None = None, initial: int = 0) -> Any:
    """A tqdm bar on standard error."""
    interval = 0.1 if sys.stderr.isatty() else 10.0
    return tqdm(
        desc=description,
        unit=unit,
        total=total,
        initial=initial,
        mininterval=interval,
        maxinterval=interval,
        dynamic_ncols=True,
    )
