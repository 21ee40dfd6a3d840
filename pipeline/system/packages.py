"""Versions of installed packages."""

import functools
from importlib import metadata


@functools.cache
def version(name: str) -> str:
    """The version of an installed package. Raises PackageNotFoundError.

    It is read once: a run asks some hundred times, and each time the whole description of the package would be parsed.
    """
    return metadata.version(name)
