"""A run id or the name of an optimization -> the run."""

import re
from dataclasses import dataclass
from typing import Any

from pipeline.config import CONF, Config
from pipeline.errors import ConfigError, TrackError, nearest, no_finished_run
from pipeline.evaluation.metrics import LATENCY
from pipeline.tracking.runs import Tracker
from pipeline.tracking.server import connect_existing, is_fresh

RUN_ID = r"[0-9a-f]{32}"


@dataclass(frozen=True)
class FoundRun:
    """A run in MLflow, with its client."""

    client: Any  # mlflow.MlflowClient
    run: Any  # mlflow.entities.Run

    @property
    def run_id(self) -> str:
        """Its id in MLflow."""
        return str(self.run.info.run_id)

    @property
    def tags(self) -> dict[str, str]:
        """Its tags. All runs of an optimization have `optim` and `fingerprint`."""
        return dict(self.run.data.tags)

    @property
    def metrics(self) -> dict[str, float]:
        """Its final metrics."""
        return dict(self.run.data.metrics)


def find(name: str, config: Config) -> FoundRun:
    """The run with this id, or the newest finished run of this optimization in the experiment. Creates nothing.

    Raises ConfigError for a name that neither conf/ nor the experiment knows, TrackError if there is no such run.
    """
    by_id = re.fullmatch(RUN_ID, name) is not None
    experiment = config.experiment_name
    known = {file.stem for file in (CONF / "optim").glob("*.yaml")}
    if is_fresh(config.track) and not by_id:
        _require_known(name, known)
    connection = connect_existing(config.track, no_finished_run(experiment))
    if by_id:
        everywhere = [each.experiment_id for each in connection.client.search_experiments()]
        runs = connection.client.search_runs(everywhere, f"attributes.run_id = '{name}'")
        if not runs or "fingerprint" not in runs[0].data.tags:
            raise TrackError(f"no run of an optimization has the id {name}; see the ids in MLflow's UI (make ui)")
        return FoundRun(connection.client, runs[0])
    if connection.client.get_experiment_by_name(experiment) is None:
        _require_known(name, known)
    tracker = Tracker(connection, experiment, create=False)
    runs = _finished(tracker, f" and tags.optim = '{name}'") if "'" not in name else []
    if not runs:
        _require_known(name, known | {run.data.tags["optim"] for run in _finished(tracker)})
        raise TrackError(f"{name} has no finished run in {experiment!r} yet; make one with python -m pipeline optim={name}")
    return FoundRun(tracker.client, runs[0])


def _finished(tracker: Tracker, condition: str = "") -> list[Any]:
    """Finished runs that measured an optimization, without those of the noise command; the newest first."""
    query = f"attributes.status = 'FINISHED' and tags.fingerprint LIKE '%'{condition}"
    found = tracker.client.search_runs([tracker.experiment_id], query, order_by=["attributes.end_time DESC"])
    return [run for run in found if LATENCY in run.data.metrics]


def _require_known(name: str, known: set[str]) -> None:
    if name not in known:
        raise ConfigError(f"{name}: neither a run id nor an optimization{nearest(name, known)}")
