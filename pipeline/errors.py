"""Errors that a user can cause. The message is one line: what is wrong, where, and what to do.

The entry points print that line and exit with code 2. Any other exception is a bug and keeps its traceback.
"""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake that the user can correct; shown as one line, never as a traceback."""

    prefix = "error"

    def __str__(self) -> str:
        return f"{self.prefix}: " + " ".join(super().__str__().split())


class ConfigError(UserError):
    """A wrong name, key, type or range in a configuration file or on the command line."""

    prefix = "config error"


class DataError(UserError):
    """Data that can't be used. The message names the file, the row and the column."""

    prefix = "data error"


class BackboneError(UserError):
    """Pretrained weights that are missing, unreachable or other than expected."""

    prefix = "backbone error"


class TrainingError(UserError):
    """A training that can't continue."""

    prefix = "training error"


class OptimizationError(UserError):
    """A step that does not work with this classifier, or whose result failed its check."""

    prefix = "optimization error"


class TrackError(UserError):
    """MLflow can't be reached or does not contain what was requested."""

    prefix = "tracking error"


class MeasureError(UserError):
    """A worker process that measures a classifier failed."""

    prefix = "measuring error"


class PublishError(UserError):
    """The Hub can't be reached, or does not allow this user to push there."""

    prefix = "publish error"


def no_finished_run(experiment: str) -> TrackError:
    """The error for an experiment without a finished run."""
    return TrackError(f"experiment {experiment!r} has no finished run yet; make one with python -m pipeline")


def nearest(word: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: "; did you mean X? (known: ...)"."""
    names = sorted(repr(str(name))[1:-1] for name in known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]}?" if close else ""
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    return f"{hint} (known: {shown or 'none'})"
