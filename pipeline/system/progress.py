"""Progress bars that say what is counted: lively on a terminal, a line every ten seconds in a log."""

import sys
from typing import Any

from tqdm import tqdm
from tqdm.utils import disp_trim

TERMINAL_S, LOG_S = 0.1, 10.0  # between two lines
OF_A_TOTAL = "{desc}: {unit} {n_fmt} of {total_fmt}{postfix} [{elapsed}<{remaining}]"
COUNTED = "{desc}: {unit} {n_fmt}{postfix} ({elapsed_s:.0f} s)"
NOTHING_YET = "{desc} ({elapsed_s:.0f} s)"


class Bar(tqdm):  # type: ignore[type-arg]  # a plain class where it runs
    """A bar whose line is a sentence: what is done, which one of what it is at, what is known so far, how long it takes."""

    @property
    def format_dict(self) -> dict[str, Any]:
        """What the line is made of."""
        told: dict[str, Any] = dict(super().format_dict)
        told["bar_format"] = OF_A_TOTAL if told["total"] else COUNTED if told["n"] else NOTHING_YET
        return told

    def __str__(self) -> str:
        line, width = super().__str__(), self.format_dict["ncols"]
        return str(disp_trim(line, width)) if width else line


def bar(description: str, unit: str = "", total: int | None = None, initial: int = 0) -> Bar:
    """A bar on standard error, as in "training: step 120 of 480, epoch 2, loss 0.310 [00:41<01:20]".

    Without a total it tells the count and the seconds, as in "measuring distilbert: pair 3, 1.97x [1.78, 2.17] (12 s)"; for
    what is not counted, only the seconds. What comes behind the count is set with `set_postfix_str`.
    """
    interval = TERMINAL_S if sys.stderr.isatty() else LOG_S
    return Bar(
        desc=description,
        unit=unit,
        total=total,
        initial=initial,
        mininterval=interval,
        maxinterval=interval,
        dynamic_ncols=True,
    )
