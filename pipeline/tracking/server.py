"""Connects to MLflow: SQLite and files under `track.root`, or the server in `track.uri` or MLFLOW_TRACKING_URI."""

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
from urllib.parse import urlsplit

from filelock import FileLock

from pipeline.config import Track
from pipeline.errors import TrackError
from pipeline.system import disk
from pipeline.system.places import writable

DATABASES = ("sqlite:", "postgresql", "mysql", "mssql")


@dataclass(frozen=True)
class Connection:
    """An MLflow client and the place of its results."""

    client: Any  # mlflow.MlflowClient
    uri: str
    artifacts: str | None  # URI of the artifacts of experiments; None: the server decides
    local: bool
    root: Path | None = None  # the directory of a local database

    @property
    def shown_uri(self) -> str:
        """The URI without a password."""
        return without_password(self.uri)


def check(settings: Track) -> None:
    """Check the settings without writing anything. Raises TrackError."""
    uri = settings.uri or os.environ.get("MLFLOW_TRACKING_URI")
    if uri and uri.startswith(("http://", "https://")):
        _require_answer(uri)
    elif uri and not uri.startswith(DATABASES):
        raise TrackError(f"tracking URI {without_password(uri)}: use http(s)://... or a database; leave it out for SQLite")
    root = Path(settings.root).resolve()
    existing = next(path for path in (root, *root.parents) if path.exists())
    if not writable(existing):
        raise TrackError(f"track.root={settings.root}: {existing} is not a writable directory")


def is_fresh(settings: Track) -> bool:
    """Whether results go to a local database that does not exist yet."""
    remote = settings.uri or os.environ.get("MLFLOW_TRACKING_URI")
    return not remote and not (Path(settings.root) / "mlflow.db").exists()


def connect_existing(settings: Track, nothing_yet: TrackError) -> Connection:
    """Like `connect`, but creates nothing: raises `nothing_yet` where nothing was logged."""
    if is_fresh(settings):
        raise nothing_yet
    return connect(settings)


def connect(settings: Track) -> Connection:
    """Connect and test the connection. Raises TrackError if the server does not answer or the database can't be used."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    uri = settings.uri or os.environ.get("MLFLOW_TRACKING_URI")
    check(settings)
    if uri and uri.startswith(("http://", "https://")):
        return Connection(_open_client(uri), uri, None, local=False)
    root = Path(settings.root).resolve()
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrackError(f"track.root={settings.root}: the directory can't be created ({error.strerror})") from error
    uri = uri or database_uri(root)
    disk.reserve(root)
    with FileLock(root / ".mlflow.lock"):  # two processes that create the tables at once break them
        return Connection(_open_client(uri), uri, artifacts_uri(root), local=True, root=root)


def database_uri(root: Path) -> str:
    """The URI of the SQLite database in a directory, whatever characters its path has."""
    from sqlalchemy.engine import URL

    place = str(root.resolve() / "mlflow.db")
    plain = URL.create("sqlite", database=place).render_as_string()
    if place in plain:
        return plain
    return URL.create(
        "sqlite+pysqlite", database=place
    ).render_as_string()  # of `sqlite:///` MLflow makes the quoted folder too


def artifacts_uri(root: Path) -> str:
    """The URI of the directory for artifacts in a directory."""
    return (root.resolve() / "artifacts").as_uri()


def _client(uri: str) -> Any:
    from mlflow import MlflowClient

    for noisy in ("mlflow", "alembic"):  # after the import, which sets their levels
        logging.getLogger(noisy).setLevel(logging.WARNING)
    return MlflowClient(tracking_uri=uri)


def _open_client(uri: str) -> Any:
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
def as_track_error(connection: Connection) -> Iterator[None]:
    """Raise errors of MLflow, its database and its files as TrackError, in one line."""
    try:
        yield
    except Exception as error:
        line = _first(error) if isinstance(error, OSError) else refusal_message(error)
        if line is None:
            raise
        raise TrackError(f"MLflow at {connection.shown_uri}: {line.removeprefix('MLflow: ')}") from error


def refusal_message(error: Exception) -> str | None:
    """The message of an error of MLflow or its database, in one line; None for other errors."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    return f"MLflow: {_first(error)}" if isinstance(error, MlflowException | SQLAlchemyError) else None


def _first(error: Exception) -> str:
    return without_password(next(iter(str(error).splitlines()), type(error).__name__))


def _require_answer(uri: str) -> None:
    try:
        parts = urlsplit(without_password(uri))
        if parts.query or parts.fragment:  # MLflow appends its paths to the text of the URI
            server = parts._replace(query="", fragment="").geturl()
            raise TrackError(f"tracking URI {without_password(uri)}: what follows ? or # is no part of it; give {server}")
        urllib.request.urlopen(page(uri, "/health"), timeout=5).close()
    except urllib.error.HTTPError:
        pass  # the server answers; later calls of MLflow report what is wrong
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise TrackError(
            f"no MLflow server answers at {without_password(uri)} ({error}); "
            "start it, or unset MLFLOW_TRACKING_URI and track.uri"
        ) from error


def page(uri: str, path: str = "/", fragment: str = "") -> str:
    """The address of a page of a server, without a password; `path` starts with "/" and is below the path of `uri`."""
    parts = urlsplit(without_password(uri))
    return parts._replace(path=parts.path.rstrip("/") + path, query="", fragment=fragment).geturl()


def without_password(uri: str) -> str:
    """A URI, or a text that contains one, without user name, password and tokens."""
    return re.sub(r"(?i)([?&](?:password|token|api_key)=)[^&\s]*", r"\1...", re.sub(r"//\S*@", "//", uri))
