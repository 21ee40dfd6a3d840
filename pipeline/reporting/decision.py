"""How a decision reads: `decision.json` for programs, `decision.md` for people, and the comparison's plots beside them."""

import json
from pathlib import Path

from pipeline.reporting import tables
from pipeline.selection.decision import Decision


def page(decision: Decision, explained: str) -> str:
    """`decision.md`; `explained` is what the table's metrics mean."""
    how = (
        "the whole 95 % interval of a metric must keep its bound"
        if decision.settings.strict
        else "metrics without their intervals"
    )
    lines = [
        f"# Decision: {decision.experiment}",
        f"**{decision.verdict()}**",
        f"Asked for: {', '.join(decision.given_constraints()) or 'no bounds'}, prefer={decision.settings.prefer} ({how}).",
    ]
    if decision.registered is not None:
        lines.append(f"Registered as {decision.registered}.")
    doubtful = [f"{row.name}: {row.contended}" for row in decision.rows() if row.contended]
    if doubtful:
        lines.append(f"Measured on a busy machine, so doubtful: {'; '.join(doubtful)}.")
    lines += [
        "## Why not the others",
        "\n".join(f"- **{c.name}**: {decision.why_not(c)}" for c in decision.candidates if c is not decision.chosen)
        or "There is none.",
        "## All of them",
        tables.table(decision.rows()).markdown(),
        f"None is as fast, as small and as accurate as one of these (Pareto front): {', '.join(decision.front)}.",
        "![Accuracy over latency](comparison.png)",
        explained,
    ]
    return "\n\n".join(lines) + "\n"


def write(decision: Decision, folder: Path, explained: str) -> None:
    """decision.json, decision.md and the metrics."""
    chosen = decision.chosen.rows[0].optim if decision.chosen is not None else None
    tables.write(decision.rows(), chosen, decision.experiment, folder, explained)
    (folder / "decision.json").write_text(json.dumps(decision.plain(), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    (folder / "decision.md").write_text(page(decision, explained), encoding="utf-8")
