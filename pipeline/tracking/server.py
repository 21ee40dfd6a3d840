"""Where results go: SQLite and files under `track.root`, or the server that `track.uri` or MLFLOW_TRACKING_URI names."""

import contextlib
import http.client
import logging
import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from pipeline.config import Track
from pipeline.errors import TrackError

DATABASES = ("sqlite:", "postgresql", "mysql", "mssql")


@dataclass(frozen=True)
class Connection:
    """An MLflow client and where its results lie."""

    client: Any  # mlflow.MlflowClient
    uri: str
    artifacts: str | None  # where experiments keep artifacts; None: the server decides
    local: bool

    @property
    def shown_uri(self) -> str:
        """The URI without a password."""
        return without_password(self.uri)


def check(settings: Track) -> None:
    """Where results go, as far as it can be checked without writing. Raises TrackError."""
    uri = settings.uri or os.environ.get("MLFLOW_TRACKING_URI")
    if uri and uri.startswith(("http://", "https://")):
        _require_answer(uri)
    elif uri and not uri.startswith(DATABASES):
        raise TrackError(f"tracking URI {without_password(uri)}: use http(s)://..., a database, or none for SQLite")
    root = Path(settings.root).resolve()
    existing = next(path for path in (root, *root.parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise TrackError(f"track.root={settings.root}: {existing} is not a directory that can be written to")


def is_fresh(settings: Track) -> bool:
    """Whether results would go to a local database that does not exist yet."""
    remote = settings.uri or os.environ.get("MLFLOW_TRACKING_URI")
    return not remote and not (Path(settings.root) / "mlflow.db").exists()


def connect(settings: Track) -> Connection:
    """A client that works. Raises TrackError when the server does not answer or the database is of another version."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    uri = settings.uri or os.environ.get("MLFLOW_TRACKING_URI")
    check(settings)
    if uri and uri.startswith(("http://", "https://")):
        return Connection(_opened(uri), uri, None, local=False)
    root = Path(settings.root).resolve()
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrackError(f"track.root={settings.root}: can't be made a directory ({error.strerror})") from error
    uri = uri or f"sqlite:///{root / 'mlflow.db'}"
    artifacts = (root / "artifacts").as_uri()
    with FileLock(root / ".mlflow.lock"):  # two processes that make the tables at once break them
        return Connection(_opened(uri), uri, artifacts, local=True)


def _client(uri: str) -> Any:
    from mlflow import MlflowClient

    for noisy in ("mlflow", "alembic"):  # after the import, which sets them
        logging.getLogger(noisy).setLevel(logging.WARNING)
    return MlflowClient(tracking_uri=uri)


def _opened(uri: str) -> Any:
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        client = _client(uri)
        client.search_experiments(max_results=1)
    except ImportError as error:
        raise TrackError(f"{without_password(uri)}: pip install the driver of this database ({error})") from error
    except (MlflowException, SQLAlchemyError) as error:
        if "out-of-date database schema" in str(error):
            raise TrackError(
                f"{without_password(uri)} was written by another version of MLflow; "
                "upgrade with 'mlflow db upgrade URI' (make a copy first), or set track.root to a new directory"
            ) from error
        first = str(error).splitlines()[0][:300]
        problem = "does not answer as MLflow does" if uri.startswith("http") else "can't be opened as an MLflow database"
        raise TrackError(f"{without_password(uri)} {problem}: {without_password(first)}") from error
    return client


@contextlib.contextmanager
def in_one_line(connection: Connection) -> Iterator[None]:
    """What MLflow, its database or its files refuse, as a TrackError."""
    try:
        yield
    except Exception as error:
        line = _first(error) if isinstance(error, OSError) else refused(error)
        if line is None:
            raise
        raise TrackError(f"MLflow at {connection.shown_uri}: {line.removeprefix('MLflow: ')}") from error


def refused(error: Exception) -> str | None:
    """What MLflow or its database said, in one line; None for an error of something else."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    return f"MLflow: {_first(error)}" if isinstance(error, MlflowException | SQLAlchemyError) else None


def _first(error: Exception) -> str:
    return without_password(next(iter(str(error).splitlines()), type(error).__name__))


def _require_answer(uri: str) -> None:
    try:
        urllib.request.urlopen(f"{without_password(uri).rstrip('/')}/health", timeout=5).close()
    except urllib.error.HTTPError:
        pass  # it answers, if only to say no: MLflow's own calls tell what is wrong
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise TrackError(
            f"no MLflow server answers at {without_password(uri)} ({error}); "
            "start it, or unset MLFLOW_TRACKING_URI and track.uri"
        ) from error


def without_password(uri: str) -> str:
    """A URI, or a text with one in it, that can be shown: user name and password are left out."""
    return re.sub(r"(?i)([?&](?:password|token|api_key)=)[^&\s]*", r"\1...", re.sub(r"//\S*@", "//", uri))
