"""The code that a registered model carries: the modules that answer with its artifact, as a package with a name of its own.

The name has a hash of the code. So models of different versions of this project load in one process, each with its own
code, and none of them is mistaken for a package of the user, such as another `pipeline`.
"""

import ast
import hashlib
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.runtimes.base import DESCRIPTION, Description

PACKAGE = Path(__file__).resolve().parents[1]
PREFIX = "classifier_serving_"
SERVE, RUNTIMES, WINDOWS = "deployment/serve", "runtimes", "windows"
IMPORT = re.compile(rf"^(\s*from ){PACKAGE.name}(?=[. ])", re.MULTILINE)


def write(artifact: Path, service: str, folder: Path) -> Path:
    """Write what serves an artifact into a folder; returns the directory of the package.

    service: the module of `serve/` that MLflow loads.
    """
    files = sorted(needed([PACKAGE / SERVE / f"{service}.py", *_runtimes(artifact)]))
    code = {file.relative_to(PACKAGE): file.read_text(encoding="utf-8") for file in files}
    digest = hashlib.sha256("\0".join(f"{name}\0{text}" for name, text in code.items()).encode()).hexdigest()
    package = folder / f"{PREFIX}{digest[:12]}"
    for name, text in code.items():
        target = package / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(IMPORT.sub(rf"\g<1>{package.name}", text), encoding="utf-8")
    return package


def _runtimes(artifact: Path) -> Iterator[Path]:
    """The modules that `runtimes.base.load` imports by their names, for an artifact and those inside it."""
    for file in artifact.rglob(DESCRIPTION):
        description = Description.read(file.parent)
        names = [description.runtime, *([] if description.window is None else [WINDOWS])]
        yield from (PACKAGE / RUNTIMES / f"{name}.py" for name in names)


def needed(files: Iterable[Path]) -> set[Path]:
    """These files of the package and all that they import, also inside functions, with the packages that they lie in."""
    found: set[Path] = set()
    waiting = list(files)
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            parents = [folder / "__init__.py" for folder in file.parents if folder.is_relative_to(PACKAGE)]
            waiting += [*parents, *_imported(file)]
    return found


def _imported(file: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith(f"{PACKAGE.name}."):
            for name in (str(node.module), *(f"{node.module}.{each.name}" for each in node.names)):
                place = PACKAGE.parent.joinpath(*name.split("."))
                yield from (path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file())


@contextmanager
def importable(package: Path) -> Iterator[None]:
    """Let it be imported, as MLflow does to see a model's signature, and forget it afterwards: its files are moved."""
    sys.path.insert(0, str(package.parent))
    try:
        yield
    finally:
        sys.path.remove(str(package.parent))
        for name in [name for name in sys.modules if name.partition(".")[0] == package.name]:
            del sys.modules[name]
