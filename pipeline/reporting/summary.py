"""The summary at the end of a run, a sweep or a comparison: table, three lines, location of the plot, next command."""

import re
import shlex
import sys
from collections.abc import Sequence

from pipeline.evaluation.metrics import METRICS, headline, quality_label
from pipeline.evaluation.rows import Row
from pipeline.reporting.tables import Table, cell
from pipeline.selection.choose import RANKING
from pipeline.tracking.server import without_password

SHARED = re.compile(r"(data|backbone|measure|track|experiment)(\.[\w.]+)?=")  # settings that every further command needs too
SWEPT = re.compile(r"[^=]+=[^\[{]*,")  # several values of one setting


def summary_text(table: Table, lines: Sequence[str], explanation: str = "", **places: str) -> str:
    """The whole summary without empty parts; `explanation` is the legend, `places` become lines like `plot: PATH`."""
    blocks = [table.plain(), "\n".join(lines), explanation]
    blocks.append("\n".join(f"{name + ':':<8} {text}" for name, text in places.items() if text))
    return "\n" + "\n\n".join(block for block in blocks if block)


def run_lines(row: Row, rows: Sequence[Row]) -> list[str]:
    """Speed, size and accuracy or micro F1 of one optimization, compared with the baseline in `rows`; [] for that."""
    if row.is_baseline:
        return []
    baseline = _baseline(rows)
    lines = [f"speed: {row.name} is {row.ratio()} as fast as {baseline}{_whose([row], row.verdict)}"]
    lines.append(f"size: {_size(row, baseline)}")
    name = headline(row.metrics)
    if f"delta/{name}_pp" in row.metrics:
        value, change = _shown(f"quality/{name}", row), _shown(f"delta/{name}_pp", row)
        lines.append(f"{quality_label(name)}: {value} %, {change} pp compared with {baseline}{_whose([row])}")
    return lines


def comparison_lines(rows: Sequence[Row]) -> list[str]:
    """The fastest, with those that are about as fast; the smallest; and the change of accuracy (or micro F1) of both.

    A speed-up without an interval is neither, unless none has one.
    """
    others = [row for row in rows if not row.is_baseline and "delta/speedup" in row.metrics]
    if not others:
        return []
    baseline = _baseline(rows)
    known = [row for row in others if row.interval() is not None or row.count > 1] or others
    fastest = max(known, key=lambda row: row.metrics["delta/speedup"])
    smallest = min(others, key=lambda row: row.metrics["size/mb"])
    share = RANKING["latency"].indifference
    least = fastest.metrics["delta/speedup"] / (1 + share / 100)
    near = [row.name for row in known if row is not fastest and row.metrics["delta/speedup"] >= least]
    lines = [
        f"fastest: {fastest.name}, {fastest.ratio()} as fast as {baseline}{_whose([fastest])}"
        + (f"; within {share:g} % of it: {', '.join(near)} (decide compares them with each other)" if near else ""),
        f"smallest: {smallest.name}, {_size(smallest, baseline)}",
    ]
    name = headline(fastest.metrics)
    change = f"delta/{name}_pp"
    costs = {row.name: _shown(change, row) for row in (fastest, smallest) if change in row.metrics}
    if costs:
        changes = ", ".join(f"{optim} {points} pp" for optim, points in costs.items())
        lines.append(f"{quality_label(name)} compared with {baseline}{_whose([fastest, smallest])}: {changes}")
    return lines


def command(subcommand: str, before: Sequence[str] = ()) -> str:
    """A command with the same data, backbone, settings and tracking as this one; "" where this one has several values of
    one.
    """
    shared = [without_password(word) for word in sys.argv[1:] if SHARED.match(word)]
    if any(SWEPT.match(word) for word in shared):
        return ""
    return shlex.join([*["python", "-m", "pipeline"], *subcommand.split(), *before, *shared])


def _baseline(rows: Sequence[Row]) -> str:
    return next((row.name for row in rows if row.is_baseline), "the baseline")


def _whose(rows: Sequence[Row], verdict: str = "") -> str:
    """The verdict, and that it is about these weights, where a row is one training."""
    said = [verdict, "these weights" if any(row.count == 1 for row in rows) else ""]
    return f" ({', '.join(filter(None, said))})" if any(said) else ""


def _size(row: Row, baseline: str) -> str:
    ratio = f"; {baseline} is {row.ratio('delta/size_ratio')} as large" if "delta/size_ratio" in row.metrics else ""
    return f"{_shown('size/mb', row)} MB{ratio}"


def _shown(key: str, row: Row) -> str:
    return cell(METRICS[key], row)
