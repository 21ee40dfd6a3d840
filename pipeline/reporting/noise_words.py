"""What a noise run found, in plain words for somebody who has never seen a confidence interval."""

from pipeline.evaluation.noise.summary import ALLOWED, Findings
from pipeline.evaluation.statistics import FASTER, SLOWER
from pipeline.reporting.tables import Table

TELLING = 0.25  # a share of wrong intervals that is known no better than this tells little
MAX_LINES = 12  # of the table


def conclusion(findings: Findings) -> str:
    """One paragraph."""
    said = [_slowed(findings) if findings.slowdown else _equal(findings), _resolution(findings)]
    busy = sum(bool(item.contended) for item in findings.repetitions)
    if busy:
        said.append(f"In {busy} of {len(findings.repetitions)} repetitions the machine was busy with other things as well.")
    return " ".join(said)


def _equal(findings: Findings) -> str:
    whole, (low, high) = findings.as_configured, findings.excluded_between()
    furthest = max(abs(interval.value - 1) for interval in findings.intervals)
    return (
        f"On this machine measurements of a model against itself ({findings.optim}, {whole.repetitions} times) are off by "
        f"up to {_percent(furthest)}. The interval called the two different in {whole.excluded} of {whole.repetitions}; "
        f"5 in 100 may be wrong by chance. {_judgement(low, high)}"
    )


def _judgement(low: float, high: float) -> str:
    between = f"(the true share is between {_percent(low)} and {_percent(high)})"
    if low > ALLOWED:
        return f"That is too often {between}: do not trust small differences here, and see what else runs."
    if high < ALLOWED:
        return f"That is less often {between}: the intervals are wider than they need be."
    if high > TELLING:
        return f"That fits, but so few repetitions tell little {between}."
    return f"That fits {between}: the intervals can be trusted."


def _slowed(findings: Findings) -> str:
    counts, whole = findings.verdicts(), findings.as_configured
    return (
        f"On this machine {findings.optim}, made slower by {_percent(findings.slowdown)} on purpose, was called slower "
        f"than itself in {counts[SLOWER]} of {whole.repetitions} measurements, faster in {counts[FASTER]}."
    )


def _resolution(findings: Findings) -> str:
    """An interval of width w excludes 1 for a difference of w / 2 every second time, for one of w in 97 of 100 (normal)."""
    whole = findings.as_configured
    return (
        f"With about {whole.seconds:.0f} s a measurement, differences below {_percent(whole.width / 2)} can't be told "
        f"apart from none; those above {_percent(whole.width)} nearly always can."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 1 else f"{100 * share:.0f} %"


def table(findings: Findings) -> Table:
    """One line a number of pairs; the last one as configured. Long ones are thinned out."""
    every = -(-len(findings.by_pair_count) // MAX_LINES)
    shown = [(f"{result.seconds:.1f} s", result) for result in findings.by_pair_count[::-every][::-1]]
    settings = findings.settings
    rule = f"{100 * settings.precision:g} % or {settings.max_seconds:g} s *"
    rows = [
        [name, str(result.pairs), f"{100 * result.width:.2f} %", f"{result.excluded} of {result.repetitions}"]
        for name, result in [*shown, (rule, findings.as_configured)]
    ]
    return Table([["stopped after", "pairs", "median width", "excludes 1"], *rows])


def legend(findings: Findings) -> str:
    """What the table's columns mean."""
    settings = findings.settings
    return (
        "width: of the 95 % interval, as a share of the speed-up. excludes 1: intervals that call the two different. "
        f"* as configured: until the width is below {100 * settings.precision:g} % (measure.precision) or "
        f"{settings.max_seconds:g} s (measure.max_seconds) are spent."
    )
