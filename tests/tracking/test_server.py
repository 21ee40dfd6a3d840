"""Where results go: a database or a server, opened by real processes; what can't be opened is told in one line."""

import shutil
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.config import Track
from pipeline.errors import TrackError
from pipeline.evaluation.latency.process import ROOT
from pipeline.tracking import view
from pipeline.tracking.runs import Identity, Tracker
from pipeline.tracking.server import Connection, connect, database_uri, without_password
from tests.support.serving import ENVIRONMENT, free_port, mlflow_server

IDENTITY = Identity("bert", "bert", "f" * 64, "d" * 64, "same")
ODD = "a ?#%41 ü;&'@"  # characters that mean something in a URI


@pytest.fixture
def root(tmp_path: Path, ready_database: Path) -> Path:
    """A `track.root` with an odd name and a ready database; nothing is beside it."""
    directory = tmp_path / "place" / ODD
    directory.mkdir(parents=True)
    shutil.copy(ready_database, directory / "mlflow.db")
    return directory


def one_line(settings: Track) -> str:
    with pytest.raises(TrackError) as caught:
        connect(settings)
    assert str(caught.value).startswith("tracking error: ") and "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://ada:secret@example.org:5000/mlflow", "http://example.org:5000/mlflow"),
        ("https://ada:se@cret@example.org", "https://example.org"),
        ("postgresql://ada:secret@localhost/mlflow?sslmode=require", "postgresql://localhost/mlflow?sslmode=require"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("sqlite:////data/mlruns/mlflow.db", "sqlite:////data/mlruns/mlflow.db"),
        ("sqlite:///mlflow.db", "sqlite:///mlflow.db"),
    ],
)
def test_a_uri_is_shown_without_user_and_password_and_otherwise_as_it_is(uri: str, shown: str) -> None:
    assert without_password(uri) == shown


def test_a_password_among_a_uris_parameters_is_not_shown_either() -> None:
    assert "secret" not in without_password("postgresql://localhost/mlflow?user=ada&password=secret")


def test_a_server_that_does_not_answer_is_told_in_one_line_without_the_password() -> None:
    line = one_line(Track(uri=f"http://ada:secret@127.0.0.1:{free_port()}"))
    assert "no MLflow server answers at http://127.0.0.1:" in line and "secret" not in line


@pytest.mark.parametrize("uri", ["http://[::1:5000", "http://127.0.0.1:port", "http://", "ftp://example.org", "mlruns"])
def test_a_uri_that_is_none_is_told_in_one_line(uri: str) -> None:
    assert uri in one_line(Track(uri=uri))


@pytest.mark.parametrize("end", ["?token=secret", "#/experiments/3", "/?a=b#c"])
def test_an_address_that_was_copied_from_a_browser_is_told_with_what_to_give(end: str) -> None:
    line = one_line(Track(uri=f"http://ada:secret@example.org:5000{end}"))
    assert "give http://example.org:5000" in line and "secret" not in line


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://example.org:5000", "http://example.org:5000/#/experiments/3/runs?"),
        ("http://ada:secret@example.org:5000/", "http://example.org:5000/#/experiments/3/runs?"),
        ("https://example.org/mlflow/", "https://example.org/mlflow/#/experiments/3/runs?"),
    ],
)
def test_the_prepared_view_of_a_server_has_an_address_that_opens(uri: str, shown: str, tmp_path: Path) -> None:
    assert view.address(Connection(None, uri, None, local=False), str(tmp_path), "3").startswith(shown)


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"])
def test_a_server_that_is_not_mlflow_is_told_in_one_line(answer: bytes) -> None:
    class Other(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass  # the request's head
            self.wfile.write(answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Other) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        uri = f"http://127.0.0.1:{other.server_address[1]}"
        with pytest.raises(TrackError) as caught:
            Tracker(connect(Track(uri=uri)), "toy/tiny")
        other.shutdown()
    assert uri in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_that_is_no_database_is_told_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    file.write_text("no database " * 100)
    line = one_line(Track(root=str(tmp_path)))
    assert "can't be opened as an MLflow database" in line and str(file) in line
    assert file.read_text() == "no database " * 100


def test_a_root_that_is_a_file_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "mlruns").write_text("a file")
    assert str(tmp_path / "mlruns") in one_line(Track(root=str(tmp_path / "mlruns")))


def test_a_root_may_have_any_characters(root: Path, tmp_path: Path) -> None:
    tracker = Tracker(connect(Track(root=str(root))), "toy ü/tiny")
    with tracker.run(IDENTITY) as run:
        tracker.client.log_text(run.run_id, "hello", "a.txt")
    again = Tracker(connect(Track(root=str(root))), "toy ü/tiny")
    assert again.client.get_run(run.run_id).info.status == "FINISHED"
    assert Path(again.client.download_artifacts(run.run_id, "a.txt", str(tmp_path))).read_text() == "hello"
    assert [path.name for path in root.parent.iterdir()] == [ODD] and [
        path.name for path in tmp_path.glob("*/*/artifacts/*")
    ] == ["toy ü_tiny"]


def test_a_root_with_odd_characters_that_was_moved_is_named_as_it_was(root: Path) -> None:
    Tracker(connect(Track(root=str(root))), "toy/tiny")
    with pytest.raises(TrackError, match="keep their files in") as caught:
        Tracker(connect(Track(root=str(root.rename(root.parent / "b")))), "toy/tiny")
    assert str(root) in str(caught.value)


def test_an_ordinary_roots_database_is_called_as_everybody_calls_it(tmp_path: Path) -> None:
    assert database_uri(tmp_path / "ml runs") == f"sqlite:///{tmp_path}/ml runs/mlflow.db"


@pytest.mark.parametrize(("given", "root"), [([], "mlruns"), (["5001", "track.root=other"], "other")])
def test_the_ui_with_nothing_logged_says_so_in_one_line(given: list[str], root: str, tmp_path: Path) -> None:
    ui = [sys.executable, "-m", "pipeline", "ui", *given]
    done = subprocess.run(ui, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == f"tracking error: nothing is logged in {tmp_path.resolve() / root} yet: make run\n"
    assert not list(tmp_path.iterdir())


FRESH = """
import sys
import mlflow
from pipeline.config import Track
from pipeline.tracking.runs import Tracker
from pipeline.tracking.server import connect

print("ready", flush=True)
sys.stdin.readline()
tracker = Tracker(connect(Track(root=sys.argv[1])), "toy/tiny")
run = tracker.client.create_run(tracker.experiment_id)
tracker.client.set_terminated(run.info.run_id)
"""


@pytest.mark.slow
def test_two_processes_that_open_a_fresh_root_together_both_succeed(tmp_path: Path) -> None:
    start, pipe = [sys.executable, "-c", FRESH, str(tmp_path / "mlruns")], subprocess.PIPE
    both = [
        subprocess.Popen(start, cwd=ROOT, env=ENVIRONMENT, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for _ in range(2)
    ]
    for process in both:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in both:
        assert process.stdin is not None
        process.stdin.write("now\n")
        process.stdin.flush()
    outcomes = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], outcomes
    tracker = Tracker(connect(Track(root=str(tmp_path / "mlruns"))), "toy/tiny")
    runs = tracker.client.search_runs([tracker.experiment_id])
    assert [run.info.status for run in runs] == ["FINISHED", "FINISHED"]


@pytest.fixture
def server(root: Path) -> Iterator[str]:
    """The address of a running `mlflow server` on `root`."""
    with mlflow_server(root) as address:
        yield address


@pytest.mark.slow
def test_a_server_takes_runs_and_gives_them_back_with_their_files(server: str, root: Path, tmp_path: Path) -> None:
    connection = connect(Track(uri=server, root=str(tmp_path / "unused")))
    assert not connection.local and not (tmp_path / "unused").exists()
    tracker = Tracker(connection, "toy/tiny")
    data = {"name": "toy", "hash": "d" * 64, "kind": "files", "source": {}, "rows": {"train": 3}}
    with tracker.run(IDENTITY) as run:
        run.log_start("seed: 1\n", {"optim": "bert"}, data)
        tracker.client.log_metric(run.run_id, "latency/mean_ms", 2.0)
    found = Tracker(connect(Track(uri=server)), "toy/tiny").find(IDENTITY)
    assert found is not None and found.run_id == run.run_id and found.metrics == {"latency/mean_ms": 2.0}
    stored = Path(tracker.client.download_artifacts(run.run_id, "config.yaml", str(tmp_path)))
    assert stored.read_text() == "seed: 1\n"
    here = Tracker(connect(Track(root=str(root))), "toy/tiny")  # the same results, without the server
    assert [row.run_id for row in here.rows("same")] == [run.run_id]
