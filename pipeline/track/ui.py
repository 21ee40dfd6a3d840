"""`python -m pipeline.track.ui [PORT [DIRECTORY]]`: the MLflow UI on local results, and where its prepared views are.

One worker on 127.0.0.1, without MLflow's job runner: seconds instead of half a minute to start, and a sixth of the memory.
"""

import os
import socket
import sys
from pathlib import Path

from pipeline.cli import guarded
from pipeline.config import Track
from pipeline.errors import TrackError
from pipeline.track import view
from pipeline.track.server import connect, without_password


def command(root: Path, port: int) -> list[str]:
    """The server's command line."""
    return [
        sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{root / 'mlflow.db'}",
        "--default-artifact-root", (root / "artifacts").as_uri(), "--workers", "1", "--host", "127.0.0.1",
        "--port", str(port),
    ]  # fmt: skip


def serve(root: Path, port: int) -> None:
    """Print the prepared views and become the server. Raises TrackError when nothing was logged there."""
    server = os.environ.get("MLFLOW_TRACKING_URI")
    if server:
        raise TrackError(
            f"MLFLOW_TRACKING_URI is set to {without_password(server)}: results go there; unset it for local ones"
        )
    if not 0 < port < 2**16:
        raise TrackError(f"port {port}: must be between 1 and 65535")
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise TrackError(f"port {port} is taken; choose another: make ui PORT=5001")
    if not (root / "mlflow.db").exists():
        raise TrackError(f"nothing is logged in {root} yet: make run")
    client = connect(Track(root=str(root))).client
    for experiment in client.search_experiments(filter_string="attribute.name != 'Default'"):
        print(f"{experiment.name}\n  table   http://127.0.0.1:{port}{view.path(experiment.experiment_id)}")
        print(f"  charts  http://127.0.0.1:{port}{view.path(experiment.experiment_id, charts=True)}")
    print("Ctrl-C ends it.", flush=True)
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    os.execv(sys.executable, command(root.resolve(), port))


def main() -> None:
    """The entry point: an optional port, and the directory that runs were logged in (`track.root`)."""
    port = sys.argv[1] if len(sys.argv) > 1 else "5000"
    root = sys.argv[2] if len(sys.argv) > 2 else Track().root
    if not port.isdecimal():
        print(__doc__)
        sys.exit(0 if port in {"-h", "--help"} else 2)
    sys.exit(guarded(lambda: serve(Path(root).resolve(), int(port))))


if __name__ == "__main__":
    main()
