"""Versions of installed packages."""

import functools
from collections.abc import Iterable
from importlib import metadata


@functools.cache
def version(name: str) -> str:
    """The version of an installed package. Raises PackageNotFoundError.

    It is read once: a run asks some hundred times, and each time the whole description of the package would be parsed.
    """
    return metadata.version(name)


def pinned(names: Iterable[str]) -> list[str]:
    """Requirements of the installed versions, without their local part ("+cpu")."""
    return [f"{name}=={version(name).partition('+')[0]}" for name in names]
