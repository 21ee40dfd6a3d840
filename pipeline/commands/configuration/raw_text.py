"""Keeps values of text settings as they were typed: Hydra reads `data.oos_label=1e3` as the number 1000.0.

A value that Hydra would change, or can't read (`data.text_column=Überschrift`), is put into quotes before Hydra sees it.
Which settings are text follows from their types.
"""

import dataclasses
import functools
import re
import types
import typing
from collections.abc import Iterator, Sequence
from typing import Any

from pipeline.config import KINDS, Config, DataSource, Names, Optim, Settings

WORD = re.compile(r"(\+{0,2}(?P<key>[\w.]+)=)(?P<value>.*)", re.DOTALL)
DELIMITERS = (",", ";", "|", "\t", " ")  # Hydra reads them as a list, not at all, or as nothing
NO_CHECKSUMS = re.compile(r"(backbone\.\w+\.sha256=)\{ *\}")
COMPLEX = set("'\"\\[]{}()$")  # a value with one of these is not a plain word or number


def keep_text(words: Sequence[str]) -> list[str]:
    """The words of a command line, with quotes around values of text settings that Hydra would read as another text.

    Checksums that are set to {} are null: Hydra would merge nothing into those that are there.
    """
    return [NO_CHECKSUMS.sub(r"\1null", _kept(word)) for word in words]


def _kept(word: str) -> str:
    found = WORD.fullmatch(word)
    if not found or not _text_settings().fullmatch(found["key"]):
        return word
    start, value = found[1], found["value"]
    mark = value.strip(" ") or value
    if mark in DELIMITERS:
        return f"{start}'{mark}'"
    several = re.fullmatch(r"\[([^'\"\\\[\]]*)\]", value)
    if several:
        return f"{start}[{','.join(map(_quoted, several[1].split(',')))}]"
    if COMPLEX & set(value):
        return word if _read(value) is not None else start + _in_quotes(value)
    return start + ",".join(map(_quoted, value.split(",")))


def _quoted(value: str) -> str:
    """A word, in quotes if Hydra would read another text, or can't read it: letters beyond ASCII, =, ~, # and others."""
    override = _read(value)
    read = override.value() if override is not None else None
    changed = isinstance(read, bool | int | float) and str(read) != value
    return _in_quotes(value.strip()) if changed or override is None else value


def _read(value: str) -> Any:
    """What Hydra reads; None if it can't."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        return OverridesParser.create().parse_override(f"key={value}")
    except HydraException:
        return None


def _in_quotes(value: str) -> str:
    """In quotes, where only quotes and the backslashes before them need another backslash."""
    escaped = re.sub(r"(\\*)('|$)", lambda found: 2 * found[1] + (r"\'" if found[2] else ""), value)
    return f"'{escaped}'"


@functools.cache
def _text_settings() -> re.Pattern[str]:
    import pipeline.data.sources
    import pipeline.steps  # noqa: F401  both register their kinds when imported

    return re.compile("|".join(_patterns(Config, "")))


def _patterns(cls: Any, prefix: str) -> Iterator[str]:
    """Patterns of the full keys of a class's text settings."""
    hints = typing.get_type_hints(cls)
    for item in dataclasses.fields(cls):
        hint, key = hints[item.name], prefix + re.escape(item.name)
        if _is_text(hint):
            yield key
        elif hint is DataSource:
            yield from (rf"{key}\.{name}" for name in _text_names("data"))
        elif hint is Optim:
            yield from (rf"{key}\.name", *(rf"{key}\.(.+\.)?steps\.\w+\.{name}" for name in _text_names("step")))
        elif isinstance(hint, type) and issubclass(hint, Settings):
            yield from _patterns(hint, rf"{key}\.")


def _text_names(group: str) -> list[str]:
    """The names of the settings that are text in every kind that has them."""
    text: dict[str, bool] = {}
    for kind in KINDS[group].values():
        for name, hint in typing.get_type_hints(kind).items():
            text[name] = text.get(name, True) and _is_text(hint)
    return sorted(name for name, always in text.items() if always)


def _is_text(hint: Any) -> bool:
    """`str`, `Names` or `list[str]`, or one of them or None."""
    parts = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    return hint == Names or {*parts} - {type(None)} in ({str}, {list[str]})
