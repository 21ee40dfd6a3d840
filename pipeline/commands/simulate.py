"""Simulate how often the program's own decisions and intervals are wrong.

python -m pipeline simulate                          every subject
python -m pipeline simulate ties --cases 500         one of them, with fewer cases

decisions     is something shipped that loses too much, and is what is reported of it true?
ties          are two candidates that truly differ told apart?
changes       how often do intervals of a change of quality miss the truth?
classes       is a class that was truly lost let pass, and one that was not rejected?
seeds         does the interval of a mean over seeds have the true mean?
crossfitting  is what is said of the validation split what new texts show?
queries       how often do 95 % intervals of speed-ups miss, with queries drawn once and for each pair?

--cases N     cases of each row, more where fewer candidates are drawn; default 1000
--seed N      of what is drawn; default 0

The truth is known, because it is drawn; no run is looked at. evaluation/README.md has the results of the defaults.
"""

import argparse
import textwrap
from collections.abc import Sequence
from typing import NoReturn

from pipeline.errors import ConfigError, nearest


def main(arguments: Sequence[str]) -> None:
    """Takes names of subjects and flags."""
    from pipeline.reporting.tables import Table
    from pipeline.selection.simulation.subjects import SUBJECTS

    options = _parse(list(arguments))
    for name in options.subject:
        if name not in SUBJECTS:
            raise ConfigError(f"simulate {name}: no such subject{nearest(name, SUBJECTS)}")
    for name in options.subject or SUBJECTS:
        found = SUBJECTS[name](options.cases, options.seed)
        table = Table([list(found.columns), *map(list, found.rows)])
        print(f"{found.title}\n\n{table.plain()}\n\n{textwrap.fill(found.explanation, 120)}\n", flush=True)


def _parse(arguments: list[str]) -> argparse.Namespace:
    def fail(message: str) -> NoReturn:
        raise ConfigError(f"{message}; see python -m pipeline simulate --help")

    parser = argparse.ArgumentParser("python -m pipeline simulate", add_help=False)
    parser.error = fail  # type: ignore[method-assign]  # one line instead of the usage
    parser.add_argument("subject", nargs="*")
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    if options.cases < 1 or options.seed < 0:
        parser.error("--cases must be at least 1, --seed at least 0")
    return options
