"""Show the subcommands and the groups of settings, or more about one of them.

python -m pipeline help               the program
python -m pipeline help optim         every optimization, one line each; the same for data, step, measure, ...
python -m pipeline help decide        a subcommand, as python -m pipeline decide --help does
"""

import ast
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
WIDTH = 120
MAX_IN_ONE_LINE = 6  # a group with more choices than this shows them in columns


def main(arguments: Sequence[str]) -> None:
    """Takes the name of a group or of a subcommand, or nothing."""
    print(help_of(arguments[0]) if arguments else help_text())


def help_text() -> str:
    """The text of `--help`: subcommands and choices of groups, read from the code and from `conf/`."""
    lines = [
        "Make a transformer text classifier smaller and faster, and measure what it costs.",
        "",
        "  python -m pipeline optim=distilbert              one optimization: train or load, measure, track, compare",
        "  python -m pipeline -m optim=baseline,distilbert  a sweep; 'optim=glob(*)' is every optimization",
        "  python -m pipeline COMMAND ...                   one of these (COMMAND --help has an example):",
        *(f"    {name:<20}{docstring(name).partition(chr(10))[0]}" for name in names() if name != "run"),
        "",
        "Choose with GROUP=NAME; python -m pipeline help GROUP describes each choice in one line.",
    ]
    for group, what in GROUPS.items():
        options = choices(group)
        if len(options) <= MAX_IN_ONE_LINE:
            lines.append(f"{group}: {what}: {', '.join(options)}")
        else:
            lines += [f"{group}: {what}", *columns(options)]
    lines += [
        "",
        "Settings: GROUP.KEY=VALUE, for instance  backbone.teacher.finetune.epochs=3  data.oos_label=oos  seed=1",
        "          +step@optim.steps.NAME=KIND adds a step, '~optim.steps.NAME' removes one",
        "--explain explains each column of a table; --cfg job shows all settings; --hydra-help Hydra's own flags.",
    ]
    return "\n".join(lines)


def help_of(name: str) -> str:
    """The help of a subcommand, or one line for each choice of a group; both for a name of both.

    Raises ConfigError for other names.
    """
    if name not in GROUPS and name not in names():
        raise ConfigError(f"help {name}: neither a group nor a subcommand{nearest(name, [*GROUPS, *names()])}")
    parts = [docstring(name)] if name in names() else []
    return "\n\n".join([*parts, group_help(name)] if name in GROUPS else parts)


def group_help(name: str) -> str:
    """One line for each choice of a group."""
    width = max(map(len, choices(name)))
    return "\n".join(
        [f"{name}: {GROUPS[name]}"]
        + [f"  {choice:<{width}}  {first_comment(CONF / name / f'{choice}.yaml')}" for choice in choices(name)]
    )


def columns(words: Sequence[str]) -> list[str]:
    """Lines with the words in as many columns as fit, column by column."""
    width = max(map(len, words)) + 2
    rows = -(-len(words) // ((WIDTH - 4) // width))
    return ["    " + "".join(f"{word:<{width}}" for word in words[row::rows]).rstrip() for row in range(rows)]


def choices(group: str) -> list[str]:
    """The names of a group's files."""
    return sorted(file.stem for file in (CONF / group).glob("*.yaml"))


def docstring(command: str) -> str:
    """The help of a subcommand, read without importing it."""
    source = (Path(__file__).parent / f"{command.replace('-', '_')}.py").read_text(encoding="utf-8")
    return ast.get_docstring(ast.parse(source)) or ""


def first_comment(file: Path) -> str:
    """The first comment of a file in `conf/`, which describes it."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return next((line[1:].strip() for line in lines if line.startswith("# ") and "@package" not in line), "")
