"""Start the MLflow UI for local results, and print the addresses of its prepared views.

python -m pipeline ui                     on port 5000
python -m pipeline ui 5001 mlruns         on another port, with the directory of the results
python -m pipeline ui track.root=mlruns   or with the overrides of the run

It runs one worker on 127.0.0.1, without MLflow's job runner, so it starts in seconds instead of half a minute and uses
a sixth of the memory.
"""

import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.commands.configuration.compose import one_config
from pipeline.config import Track
from pipeline.errors import ConfigError, TrackError


def main(arguments: Sequence[str]) -> None:
    """Takes a port and the directory of the results, both optional; or the overrides of a run."""
    overrides = [argument for argument in arguments if "=" in argument]
    words = [argument for argument in arguments if argument not in overrides]
    default = one_config(overrides).track.root if overrides else Track().root
    port, root, *more = [*words, *("5000", default)[len(words) :]]
    if more or not port.isdecimal():
        raise ConfigError("ui takes a port and the directory of the results: python -m pipeline ui 5001 mlruns")
    serve(Path(root).resolve(), int(port))


def command(root: Path, port: int) -> list[str]:
    """The server's command line."""
    from pipeline.tracking.server import artifacts_uri, database_uri

    return [
        sys.executable, "-m", "mlflow", "server", "--backend-store-uri", database_uri(root),
        "--default-artifact-root", artifacts_uri(root), "--workers", "1", "--host", "127.0.0.1",
        "--port", str(port),
    ]  # fmt: skip


def serve(root: Path, port: int) -> None:
    """Print the prepared views and replace this process by the server. Raises TrackError if `root` has no results."""
    from pipeline.tracking import view
    from pipeline.tracking.server import connect, page, without_password

    server = os.environ.get("MLFLOW_TRACKING_URI")
    if server:
        raise TrackError(
            f"MLFLOW_TRACKING_URI is set to {without_password(server)}: results are there; unset it to see local ones"
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
        table, charts = (view.fragment(experiment.experiment_id, charts) for charts in (False, True))
        ui = f"http://127.0.0.1:{port}"
        print(f"{experiment.name}\n  table   {page(ui, fragment=table)}\n  charts  {page(ui, fragment=charts)}")
    print("Press Ctrl-C to stop.", flush=True)
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    os.execv(sys.executable, command(root.resolve(), port))
