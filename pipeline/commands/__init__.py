"""The subcommands, one file each: compose the configuration, call a function of another room, print the result.

Each module is a subcommand: its docstring is its help, `main(arguments)` runs it. `configuration/` composes and checks.
"""

import pkgutil


def names() -> list[str]:
    """The names of the subcommands, as they are typed."""
    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__) if not module.ispkg)
