"""Progress bars that name the unit they count: updated in place on a terminal, a line every ten seconds in a log."""

import sys
from typing import Any

from tqdm import tqdm
from tqdm.utils import disp_trim

TERMINAL_S, LOG_S = 0.1, 10.0  # between two lines
WITH_TOTAL = "{desc}: {unit} {n_fmt} of {total_fmt}{postfix} [{elapsed}<{remaining}]"
WITH_COUNT = "{desc}: {unit} {n_fmt}{postfix} ({elapsed_s:.0f} s)"
WITHOUT_COUNT = "{desc} ({elapsed_s:.0f} s)"


class Bar(tqdm):  # type: ignore[type-arg]  # a plain class where it runs
    """A progress bar whose line reads as text: description, unit and count, results so far, time."""

    @property
    def format_dict(self) -> dict[str, Any]:
        """The values of the line; overrides tqdm's."""
        values: dict[str, Any] = dict(super().format_dict)
        values["bar_format"] = WITH_TOTAL if values["total"] else WITH_COUNT if values["n"] else WITHOUT_COUNT
        return values

    def __str__(self) -> str:
        line, width = super().__str__(), self.format_dict["ncols"]
        return str(disp_trim(line, width)) if width else line


def bar(description: str, unit: str = "", total: int | None = None, initial: int = 0) -> Bar:
    """A bar on standard error, as in "training: step 120 of 480, epoch 2, loss 0.310 [00:41<01:20]".

    Without a total it shows the count and the seconds, as in "measuring distilbert: pair 3, 1.97x [1.78, 2.17] (12 s)"; and
    only the seconds before anything is counted. `set_postfix_str` sets the text after the count.
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
