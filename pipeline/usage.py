"""What `--help` prints, read from `conf/` itself."""

from pathlib import Path

from pipeline.config import CONF


def help_text() -> str:
    """What `--help` prints: the program and its groups, read from `conf/` itself."""
    lines = [
        "Make a transformer text classifier smaller and faster, and measure what it costs.",
        "",
        "  python -m pipeline optim=distilbert                one optimization: train or load, measure, track, compare",
        "  python -m pipeline -m optim=bert,distilbert        a sweep; 'optim=glob(*)' is every optimization there is",
        "  python -m pipeline.compare                         table and plot again, from what MLflow holds",
        "  python -m pipeline.doctor distillation_ort_int8    why is it not faster? one page of findings, and what to do",
        "  python -m pipeline.noise optim=bert                a model against itself: what this machine's numbers are worth",
        "",
        "Groups: choose with GROUP=NAME; the first line of each file in conf/ is shown.",
    ]
    for group in ("optim", "data", "backbone", "measure", "track", "experiment", "step"):
        lines.append(f"\n{group}")
        files = sorted((CONF / group).glob("*.yaml"))
        width = max(len(file.stem) for file in files)
        for file in files:
            lines.append(f"  {file.stem:<{width}} {_first_comment(file)}")
    lines += [
        "",
        "Settings: GROUP.KEY=VALUE, for instance  optim.steps.finetune.epochs=3  data.oos_label=oos  seed=1",
        "          +step@optim.steps.NAME=KIND adds a step, '~optim.steps.NAME' takes one away",
        "--cfg job shows the resolved configuration; --hydra-help tells Hydra's own flags.",
    ]
    return "\n".join(lines)


def _first_comment(file: Path) -> str:
    lines = file.read_text(encoding="utf-8").splitlines()
    return next((line[1:].strip() for line in lines if line.startswith("# ") and "@package" not in line), "")
