"""The command line: finds the subcommand, runs it, sets the exit code. A user's mistake is one line on standard error.

    python -m pipeline optim=distilbert              a run; -m for a sweep
    python -m pipeline decide constraints.size_mb=30   a subcommand: a module of `pipeline/commands/`

Every subcommand has a `main(arguments)` that returns an exit code or None. Its docstring is its help; `--help` lists the
first line. Nothing here imports torch, transformers, datasets or mlflow, so help is fast.
"""

import importlib
import logging
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from pipeline.commands import names
from pipeline.errors import ConfigError, UserError, nearest
from pipeline.system import disk, places

HELP_FLAGS = {"-h", "--help"}
DEFAULT = "run"
EXPLAIN, EXPLAIN_COMMANDS = "--explain", ("run", "compare", "decide")  # the commands that end with a table


def main() -> None:
    """Run the command line; exits with 0, 1 (a bug or a failed job), 2 (the user's mistake) or 128 + signal."""
    # waiting threads sleep: if they spin, another busy process slows training down many times
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.exit(run_guarded(lambda: dispatch(sys.argv[1:])))


def dispatch(arguments: list[str]) -> int | None:
    """Run the subcommand that the first word names; if that is an override or a flag, run the command `run`.

    Raises ConfigError if the first word is neither.
    """
    if arguments and arguments[0] in HELP_FLAGS:
        arguments = ["help"]
    word = arguments[0] if arguments else ""
    if not word or word.startswith(("-", "+", "~", "'")) or "=" in word or "@" in word:
        command, rest = DEFAULT, arguments
    else:
        command, rest = word, arguments[1:]
    if command not in names():
        listed = [name for name in names() if name != DEFAULT]
        raise ConfigError(f"{command}: no such command{nearest(command, listed)}; settings look like GROUP.KEY=VALUE")
    end = rest.index("--") if "--" in rest else len(rest)
    if HELP_FLAGS & set(rest[:end]):
        command, rest = "help", [] if command == DEFAULT else [command]
    if command != DEFAULT:  # Hydra sets up the log of a run
        logging.basicConfig(format="%(message)s")
        logging.getLogger("pipeline").setLevel(logging.INFO)
    module = importlib.import_module(f"pipeline.commands.{command.replace('-', '_')}")
    code: int | None = module.main(with_explain_setting(rest) if command in EXPLAIN_COMMANDS else rest)
    return code


def with_explain_setting(arguments: list[str]) -> list[str]:
    """Replace `--explain` by the setting `explain=true`, next to the other settings: Hydra takes them in one place only."""
    if EXPLAIN not in arguments:
        return arguments
    others = [word for word in arguments if word != EXPLAIN]
    settings = [index for index, word in enumerate(others) if "=" in word and not word.startswith("-")]
    place = settings[0] if settings else len(others)
    return [*others[:place], "explain=true", *others[place:]]


def run_guarded(action: Callable[[], Any]) -> int:
    """Call `action` and return the exit code. A user's mistake is printed as one line on standard error."""
    from pipeline.commands.configuration.explain import explain

    signal.signal(signal.SIGTERM, _on_sigterm)
    try:
        places.prepare()
        return action() or 0
    except KeyboardInterrupt:
        print("interrupted: finished work is kept; repeat the command to continue", file=sys.stderr)
        return 130
    except UserError as error:
        print(disk.disk_error(error) or error, file=sys.stderr)
        return 2
    except Exception as error:
        line = disk.disk_error(error) or explain(error) or _mlflow_message(error)
        if line is None:
            raise
        print(line, file=sys.stderr)
        return 2


def _mlflow_message(error: Exception) -> str | None:
    """The message of an error of MLflow or its database; None for other errors, or if MLflow was not used."""
    server = sys.modules.get("pipeline.tracking.server")
    return server.refusal_message(error) if server is not None else None


def _on_sigterm(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)  # unwinds the stack: MLflow's run ends as KILLED, temporary files are removed
