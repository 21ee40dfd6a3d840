"""Findings -> one page, as plain text for the terminal and as Markdown."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.evaluation.doctor.facts import Facts
from pipeline.evaluation.doctor.finding import Finding, Level

WIDTH = 110
MAX_OPERATORS = 8
TITLES = {Level.PROBLEM: "What costs time", Level.HINT: "Worth knowing", Level.OK: "No problem"}


@dataclass(frozen=True)
class Page:
    """The texts on the page."""

    title: str
    head: Sequence[str]
    findings: Sequence[Finding]
    tables: Mapping[str, list[tuple[str, str]]]  # title -> rows

    def plain(self) -> str:
        """The page for a terminal, at most 110 characters wide."""
        lines = [self.title, "=" * len(self.title), *(line for text in self.head for line in _wrapped(text, ""))]
        number = 0
        for level, found in self._levels():
            lines += ["", TITLES[level].upper()]
            for finding in found:
                number += 1
                lines += _wrapped(f"{_headline(finding)}", "    ", f"{number:>2}. ")
                lines += _wrapped(finding.evidence, "    ")
                lines += _wrapped(finding.advice, "       ", "    -> ") if finding.advice else []
        for title, rows in self.tables.items():
            width = max(len(name) for name, _ in rows)
            lines += ["", title.upper(), *(f"    {name:<{width}}  {metrics}" for name, metrics in rows)]
        return "\n".join(lines)

    def markdown(self) -> str:
        """The page as Markdown, for the run."""
        lines = [f"# {self.title}", "", "  \n".join(self.head)]
        for level, found in self._levels():
            lines += ["", f"## {TITLES[level]}", ""]
            for finding in found:
                advice = f" **What to do:** {finding.advice}" if finding.advice else ""
                lines.append(f"1. **{_headline(finding)}.** {finding.evidence}{advice}")
        for title, rows in self.tables.items():
            lines += ["", f"## {title}", "", "| | |", "| --- | ---: |"]
            lines += [f"| {name} | {metrics.strip()} |" for name, metrics in rows]
        return "\n".join(lines) + "\n"

    def _levels(self) -> Iterator[tuple[Level, list[Finding]]]:
        for level in Level:
            found = [finding for finding in self.findings if finding.level == level]
            if found:
                yield level, found


def _headline(finding: Finding) -> str:
    about = f" (about {finding.share:.0%} of a call)" if finding.share and finding.level < Level.OK else ""
    return finding.title + about


def _wrapped(text: str, indent: str, first: str | None = None) -> list[str]:
    begin = indent if first is None else first
    return textwrap.wrap(text, WIDTH, initial_indent=begin, subsequent_indent=indent, break_on_hyphens=False)


def tables(facts: Facts) -> dict[str, list[tuple[str, str]]]:
    """Two tables: time by operator and size by part."""
    ranked = [] if facts.operators is None else list(facts.operators.shares.items())
    operators = [(name, f"{share:6.1%}") for name, share in ranked[:MAX_OPERATORS]]
    rest = ranked[MAX_OPERATORS:]
    if rest:
        operators.append((f"{len(rest)} others", f"{sum(share for _, share in rest):6.1%}"))
    total = sum(facts.sizes.values())
    parts = [(part, f"{size / 2**20:8.2f} MB {size / total:6.1%}") for part, size in facts.sizes.items() if size]
    sizes = {"Size by part": [*parts, ("together", f"{total / 2**20:8.2f} MB {1:6.1%}")]}
    return {"Time by operator, share of all operators": operators} | sizes if operators else sizes
