"""The form in which an artifact leaves this project: what `publish.hub` pushes and `export` writes.

It is a form that others know where the runtime has one. Where it has none, or where more is needed for the same answers (a
decision rule, windows of long texts), a `handler.py` is beside it that needs its runtime alone.
"""

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

from pipeline.deployment.handler import compose
from pipeline.errors import PublishError
from pipeline.runtimes.base import Description, PublishedForm, runtime_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Form:
    """How what is written can be loaded."""

    published: PublishedForm
    handler: bool = False  # whether it has a `handler.py`
    packages: tuple[str, ...] = ()  # that the handler needs
    notes: tuple[str, ...] = ()  # what other programs must know, see `Runtime.notes`

    def told(self) -> str:
        """It in a line."""
        known = [] if self.published is PublishedForm.PROJECT else [self.published.value]
        known += [f"handler.py needs {', '.join(self.packages)}"] if self.handler else []
        return "; ".join(known)


def write(artifact: Path, target: Path, handler: bool = False) -> Form:
    """Write an artifact into a directory, which is made, in the form that others can load.

    handler: whether it gets a `handler.py` even if transformers gives the same answers. Raises PublishError where one is
    needed and can't be written.
    """
    runtime, description = runtime_of(artifact), Description.read(artifact)
    published = runtime.published_form(artifact)
    if published is PublishedForm.CONVERTED:
        target.mkdir(parents=True)
        runtime.write_standard(artifact, target)
    else:
        shutil.copytree(artifact, target)
    more = not description.rule.plain or description.window is not None
    needed = handler or more or published is PublishedForm.PROJECT
    if needed:
        compose.write(target)
    return Form(published, needed, runtime.packages(target), tuple(runtime.notes(target)))


def write_whatever_loads(artifact: Path, target: Path) -> Form:
    """The same; where it can't be, what this project alone loads, with a warning."""
    try:
        return write(artifact, target)
    except PublishError as error:
        log.warning("warning: only this project loads what is published: %s", error.args[0])
        shutil.rmtree(target)
        shutil.copytree(artifact, target)
        return Form(PublishedForm.PROJECT, notes=tuple(runtime_of(target).notes(target)))
