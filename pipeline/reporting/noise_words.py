"""The result of a noise run in words, for a reader who has never seen a confidence interval."""

from pipeline.evaluation.noise.summary import ALLOWED, Findings
from pipeline.evaluation.statistics import FASTER, SLOWER
from pipeline.reporting.tables import Table

MAX_UNCERTAINTY = 0.25  # of the share of wrong intervals; above it the repetitions are too few
MAX_LINES = 12  # in the table


def conclusion(findings: Findings) -> str:
    """The conclusion, one paragraph."""
    sentences = [_slowed(findings) if findings.slowdown else _equal(findings), _resolution(findings)]
    if not findings.slowdown:
        sentences.append(_between_sessions(findings))
    if busy := findings.contended_count:
        sentences.append(f"In {busy} of {len(findings.repetitions)} repetitions the machine was busy with other work too.")
    return " ".join(sentences)


def _equal(findings: Findings) -> str:
    whole, (low, high) = findings.as_configured, findings.excluded_between()
    furthest = max(abs(interval.value - 1) for interval in findings.intervals)
    return (
        f"On this machine, {whole.repetitions} measurements of a model against itself ({findings.optim}) had errors of up "
        f"to {_percent(furthest)}. The interval excluded 1, and so called the two different, in {whole.excluded} of "
        f"{whole.repetitions}; 5 in 100 may do so by chance. {_judgement(low, high)}"
    )


def _judgement(low: float, high: float) -> str:
    between = f"(95 % confidence interval of the share: {_percent(low)} to {_percent(high)})"
    if low > ALLOWED:
        return (
            f"That is too often {between}: do not trust small differences on this machine, and check what else runs on it."
        )
    if high < ALLOWED:
        return f"That is less often than expected {between}: the intervals are wider than necessary."
    if high > MAX_UNCERTAINTY:
        return f"That is as expected, but there are too few repetitions for a firm conclusion {between}."
    return f"That is as expected {between}: the intervals can be trusted."


def _slowed(findings: Findings) -> str:
    counts, whole = findings.verdicts(), findings.as_configured
    return (
        f"On this machine, {findings.optim} was made slower by {_percent(findings.slowdown)} on purpose. The verdict was "
        f"slower in {counts[SLOWER]} of {whole.repetitions} measurements, and faster in {counts[FASTER]}."
    )


def _resolution(findings: Findings) -> str:
    """With normal errors, an interval of width w excludes 1 in half of the cases for a difference of w / 2, and in 97 of 100
    for w.
    """
    whole = findings.as_configured
    return (
        f"With about {whole.seconds:.0f} s for each measurement, differences below {_percent(whole.width / 2)} can't be "
        f"distinguished from none; differences above {_percent(whole.width)} are nearly always found."
    )


def _between_sessions(findings: Findings) -> str:
    between = findings.between_sessions
    if between is None:
        reason = (
            f"three measurements against the baseline ({findings.baseline}) are needed"
            if findings.against_baseline
            else "a model against itself can't show it; choose an optimization that is not the baseline (optim=...)"
        )
        return f"How much a speed-up varies from session to session is not known: {reason}."
    return (
        f"Measured against the baseline ({findings.baseline}) {between.sessions} times, the speed-up varied from session "
        f"to session by {_percent(between.sd)} (standard deviation; at most {_percent(between.sd_high)}), beyond what the "
        f"pairs of a session show. To hold for another session too, an interval must be {between.widening:.2g} times as "
        f"wide: {between.missed} of {between.sessions} did not contain the mean of all."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 1 else f"{100 * share:.0f} %"


def table(findings: Findings) -> Table:
    """One line for each number of pairs, and a last line as configured. A long table leaves out lines."""
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
    """The meaning of the table's columns."""
    settings = findings.settings
    return (
        "width: width of the 95 % confidence interval, as a share of the speed-up. excludes 1: number of intervals that "
        f"call the two different. * as configured: until the width is below {100 * settings.precision:g} % "
        f"(measure.precision) or the time of {settings.max_seconds:g} s (measure.max_seconds) is used up."
    )
