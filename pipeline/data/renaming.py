"""`data.rename_labels`: a file that gives labels other names; two labels with one new name become one."""

import csv
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import DataError

HEADER = re.compile(r"old([,;\t])new")


@dataclass(frozen=True)
class Renaming:
    """What a file says."""

    where: str  # the file, for messages
    names: dict[str, str]  # old -> new

    @classmethod
    def read(cls, path: Path) -> "Renaming":
        """Read a .csv or .tsv with the columns old and new, or a .yaml, .yml or .json with a mapping from old to new.

        Raises DataError unless it is one, and for a name that is empty or given twice.
        """
        readers = {".csv": _of_csv, ".tsv": _of_csv, ".yaml": _of_yaml, ".yml": _of_yaml, ".json": _of_json}
        if path.suffix.lower() not in readers:
            raise DataError(f"data.rename_labels={path}: unknown type of file; use .csv, .yaml or .json")
        try:
            pairs = list(readers[path.suffix.lower()](path.read_text(encoding="utf-8-sig")))
        except OSError as error:
            raise DataError(f"data.rename_labels={path}: can't be read ({error.strerror or error})") from error
        except ValueError as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
            raise DataError(f"data.rename_labels={path}: {error}") from error
        names: dict[str, str] = {}
        for old, new in ((old.strip(), new.strip()) for old, new in pairs):
            if not old or not new:
                raise DataError(f"data.rename_labels={path}: {old!r} -> {new!r}: a name is empty")
            if old in names:
                raise DataError(f"data.rename_labels={path}: {old!r} is given twice")
            names[old] = new
        return cls(str(path), names)


def _of_csv(content: str) -> Iterable[tuple[str, str]]:
    found = HEADER.match(content)
    if not found:
        raise ValueError("the first line must be old,new")
    rows = [row for row in csv.reader(content.splitlines(), delimiter=found[1]) if row][1:]
    wrong = next((row for row in rows if len(row) != 2), None)
    if wrong is not None:
        raise ValueError(f"{len(wrong)} cells in a row, not two: {wrong[:3]}")
    return [(old, new) for old, new in rows]


def _of_yaml(content: str) -> Iterable[tuple[str, str]]:
    """Every name as it is written: `no` is a label, not False."""
    import yaml

    try:
        top = yaml.compose(content, yaml.BaseLoader)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    pairs = top.value if isinstance(top, yaml.MappingNode) else None
    if pairs is None or not all(isinstance(node, yaml.ScalarNode) for pair in pairs for node in pair):
        raise ValueError("must be a mapping, a line for each label: OLD: NEW")
    return [(old.value, new.value) for old, new in pairs]


def _of_json(content: str) -> Iterable[tuple[str, str]]:
    pairs = json.loads(content, object_pairs_hook=list)
    wanted = 'must be one object of strings: {"OLD": "NEW", ...}'
    if not content.lstrip().startswith("{") or not all(isinstance(name, str) for pair in pairs for name in pair):
        raise ValueError(wanted)
    return [(old, new) for old, new in pairs]
