"""The subcommands, one file each: compose the configuration, call, print. What they do is in the rooms below.

A module here is a subcommand: its docstring is its help, `main(arguments)` runs it. `configuration/` composes and checks.
"""

import pkgutil


def names() -> list[str]:
    """The subcommands, as they are typed."""
    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__) if not module.ispkg)
