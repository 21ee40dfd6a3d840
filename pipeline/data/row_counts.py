"""How many rows were read, dropped and drawn, and `data_report.md`, which shows it beside what was told about the data."""

from collections.abc import Iterable, Mapping

from pipeline.data.raw import SPLITS, Parts

FILE = "data_report.md"
READ, DRAWN, USED = "read", "drawn from train", "used"
BAD, RARE, LEAKED = "dropped: bad rows", "dropped: rare classes", "dropped: leaks"  # by the settings of `TableSource`

Rows = dict[str, dict[str, int]]  # what was done -> split -> rows, negative where they are fewer; what is left comes last


class Counter:
    """Counts what the verbs of `splits.assemble` do to the rows."""

    def __init__(self) -> None:
        self.rows: Rows = {}
        self._before: dict[str, int] = {}

    def count(self, parts: Parts, what: str) -> None:
        """Note under `what` how many rows each split has more than before."""
        sizes = {name: part.table.num_rows for name, part in parts.items()}
        for name, size in sizes.items():
            change = size - self._before.get(name, 0)
            if change:
                own = self.rows.setdefault(what, {})
                own[name] = own.get(name, 0) + change
        self._before = sizes

    def done(self) -> Rows:
        """All of it, and what is left."""
        return {**self.rows, USED: self._before}


def dropped(rows: Mapping[str, Mapping[str, int]]) -> int:
    """How many rows were dropped from all splits together."""
    return -sum(sum(own.values()) for what, own in rows.items() if what in (BAD, RARE, LEAKED))


def report(rows: Mapping[str, Mapping[str, int]], notes: Iterable[str]) -> str:
    """`data_report.md`: a table of the rows, and the notes as a list."""
    lines = ["# Data", "", f"| rows | {' | '.join(SPLITS)} |", "| --- | ---: | ---: | ---: |"]
    for what, own in rows.items():
        cells = (f"{own[name]:,}" if name in own else "" for name in SPLITS)
        lines.append(f"| {what} | {' | '.join(cells)} |")
    told = [f"- {note}" for note in notes] or ["Nothing looks wrong."]
    return "\n".join([*lines, "", "## Worth a look", "", *told, ""])
