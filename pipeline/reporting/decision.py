"""Write a decision: `decision.json` for programs, `decision.md` for people, and the comparison's plots."""

import json
from pathlib import Path

from pipeline.reporting import tables
from pipeline.selection.decision import Decision


def page(decision: Decision, explanation: str) -> str:
    """The text of `decision.md`; `explanation` is the legend of the table."""
    how = (
        "the whole 95 % confidence interval of a metric must keep its bound"
        if decision.settings.strict
        else "the value of a metric must keep its bound, whatever its interval"
    )
    lines = [
        f"# Decision: {decision.experiment}",
        f"**{decision.verdict()}**",
        f"Constraints: {', '.join(decision.given_constraints()) or 'none'}; prefer={decision.settings.prefer} ({how}).",
    ]
    lines += [f"{decision.reported()}."] if decision.reported() else []
    lines += ["\n".join(f"- {note}." for note in decision.notes)] if decision.notes else []
    if decision.registered is not None:
        lines.append(f"Registered as {decision.registered}.")
    doubtful = [f"{row.name}: {row.contended}" for row in decision.rows() if row.contended]
    if doubtful:
        lines.append(f"Doubtful, because the machine was busy: {'; '.join(doubtful)}.")
    lines += [
        "## Why not the others",
        "\n".join(f"- **{c.name}**: {decision.why_not(c)}" for c in decision.candidates if c is not decision.chosen)
        or "There are no others.",
        "## All candidates",
        tables.table(decision.rows()).markdown(),
        "The table shows the test split. It chose nothing: the choice was made on validation.",
        "Pareto front of the point estimates on test (no other is at least as fast, small and accurate; intervals are not "
        f"looked at, and it chooses nothing): {', '.join(decision.front)}.",
        "![Accuracy over latency](comparison.png)",
        explanation,
    ]
    return "\n\n".join(lines) + "\n"


def write(decision: Decision, folder: Path, explanation: str) -> None:
    """Write decision.json, decision.md, and the comparison's table and plots."""
    chosen = decision.chosen.rows[0].optim if decision.chosen is not None else None
    tables.write(decision.rows(), chosen, decision.experiment, folder, explanation)
    (folder / "decision.json").write_text(json.dumps(decision.plain(), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    (folder / "decision.md").write_text(page(decision, explanation), encoding="utf-8")
