"""What there is: the subcommands, the groups of settings and their choices; with a group, one line of each choice.

python -m pipeline help               the program
python -m pipeline help optim         every optimization, one line each; the same for data, step, measure, ...
"""

import ast
import textwrap
from collections.abc import Sequence
from pathlib import Path

from pipeline.commands import names
from pipeline.config import CONF
from pipeline.errors import ConfigError, nearest

GROUPS = {
    "optim": "how the classifier is made smaller or faster",
    "data": "texts and labels",
    "backbone": "where pretrained weights come from",
    "measure": "how it is measured",
    "track": "where MLflow keeps results",
    "experiment": "a whole comparison",
    "step": "the kinds of steps that an optimization is made of",
}
WIDTH = 110


def main(arguments: Sequence[str]) -> None:
    """Takes the name of a group, or nothing."""
    print(help_of(arguments[0]) if arguments else help_text())


def help_text() -> str:
    """What `--help` prints: the subcommands, and the groups' choices, read from the code and from `conf/` itself."""
    lines = [
        "Make a transformer text classifier smaller and faster, and measure what it costs.",
        "",
        "  python -m pipeline optim=distilbert              one optimization: train or load, measure, track, compare",
        "  python -m pipeline -m optim=baseline,distilbert  a sweep; 'optim=glob(*)' is every optimization there is",
        "  python -m pipeline COMMAND ...                   one of these (COMMAND --help has an example):",
        "",
        *(f"    {name:<20}{summary(name)}" for name in names() if name != "run"),
        "",
        "Choose with GROUP=NAME; python -m pipeline help GROUP tells one line of each.",
    ]
    for group, what in GROUPS.items():
        lines.append(f"{group}: {what}")
        lines += textwrap.wrap("  ".join(choices(group)), WIDTH, initial_indent="    ", subsequent_indent="    ")
    lines += [
        "",
        "Settings: GROUP.KEY=VALUE, for instance  optim.steps.finetune.epochs=3  data.oos_label=oos  seed=1",
        "          +step@optim.steps.NAME=KIND adds a step, '~optim.steps.NAME' takes one away",
        "--explain, for a run, a sweep, compare and decide: what each column of the table means.",
        "--cfg job shows the resolved configuration; --hydra-help tells Hydra's own flags.",
    ]
    return "\n".join(lines)


def help_of(group: str) -> str:
    """One line of each choice of a group. Raises ConfigError where there is no such group."""
    if group not in GROUPS:
        raise ConfigError(f"help {group}: no such group{nearest(group, GROUPS)}")
    width = max(map(len, choices(group)))
    return "\n".join(
        [f"{group}: {GROUPS[group]}"]
        + [f"  {name:<{width}}  {first_comment(CONF / group / f'{name}.yaml')}" for name in choices(group)]
    )


def choices(group: str) -> list[str]:
    """The names of a group's files."""
    return sorted(file.stem for file in (CONF / group).glob("*.yaml"))


def summary(command: str) -> str:
    """The first line of a subcommand's docstring; nothing is imported for it."""
    source = (Path(__file__).parent / f"{command.replace('-', '_')}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]


def first_comment(file: Path) -> str:
    """What a file of `conf/` says of itself."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return next((line[1:].strip() for line in lines if line.startswith("# ") and "@package" not in line), "")
