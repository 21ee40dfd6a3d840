"""Keeps values of text settings as they were typed: Hydra reads `data.oos_label=1e3` as the number 1000.0.

A value that Hydra would change is put into quotes before Hydra sees it. Which settings are text follows from their types.
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
DELIMITERS = (",", ";", "|", "\t")  # Hydra reads them as a list, not at all, or as nothing
COMPLEX = set("'\"\\[]{}()$")  # a value with one of these is not a plain word or number


def keep_text(words: Sequence[str]) -> list[str]:
    """The words of a command line, with quotes around values of text settings that Hydra would read as another text."""
    return [_kept(word) for word in words]


def _kept(word: str) -> str:
    found = WORD.fullmatch(word)
    if not found or COMPLEX & set(found["value"]) or not _text_settings().fullmatch(found["key"]):
        return word
    if found["value"] in DELIMITERS:
        return f"{found[1]}'{found['value']}'"
    return found[1] + ",".join(map(_quoted, found["value"].split(",")))


def _quoted(value: str) -> str:
    from hydra._internal.grammar.utils import escape_special_characters
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import OverrideParseException

    try:
        read = OverridesParser.create().parse_override(f"key={value}").value()
    except OverrideParseException:  # told when Hydra reads it
        return value
    changed = isinstance(read, bool | int | float) and str(read) != value
    return f"'{escape_special_characters(value.strip())}'" if changed else value


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
    """`str`, `str | None` or `Names`."""
    parts = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    return hint == Names or set(parts) in ({str}, {str, type(None)})
