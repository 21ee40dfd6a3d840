"""A run id or the name of an optimization -> the run."""

import re
from dataclasses import dataclass
from typing import Any

from pipeline.config import CONF, Config
from pipeline.errors import ConfigError, TrackError, nearest, nothing_yet
from pipeline.tracking.runs import Tracker
from pipeline.tracking.server import connect, is_fresh

RUN_ID = r"[0-9a-f]{32}"


@dataclass(frozen=True)
class Subject:
    """A run whose classifier is examined."""

    client: Any  # mlflow.MlflowClient
    run: Any  # mlflow.entities.Run

    @property
    def run_id(self) -> str:
        """Its id in MLflow."""
        return str(self.run.info.run_id)

    @property
    def tags(self) -> dict[str, str]:
        """Its tags; all runs of an optimization have `optim` and `fingerprint`."""
        return dict(self.run.data.tags)

    @property
    def metrics(self) -> dict[str, float]:
        """Its final metrics."""
        return dict(self.run.data.metrics)


def find(word: str, config: Config) -> Subject:
    """The run with this id, or the experiment's newest finished one of this optimization. Nothing is created.

    Raises ConfigError for a name that neither conf/ nor the experiment knows, TrackError when there is no such run.
    """
    by_id = re.fullmatch(RUN_ID, word) is not None
    experiment = config.experiment_name
    known = {file.stem for file in (CONF / "optim").glob("*.yaml")}
    if is_fresh(config.track):
        if not by_id:
            _require_known(word, known)
        raise nothing_yet(experiment)
    connection = connect(config.track)
    if by_id:
        everywhere = [found.experiment_id for found in connection.client.search_experiments()]
        runs = connection.client.search_runs(everywhere, f"attributes.run_id = '{word}'")
        if not runs or "fingerprint" not in runs[0].data.tags:
            raise TrackError(f"no run of an optimization has the id {word}; MLflow's UI shows them (make ui)")
        return Subject(connection.client, runs[0])
    if connection.client.get_experiment_by_name(experiment) is None:
        _require_known(word, known)
    tracker = Tracker(connection, experiment, create=False)
    runs = _finished(tracker, f" and tags.optim = '{word}'") if "'" not in word else []
    if not runs:
        _require_known(word, known | {run.data.tags["optim"] for run in _finished(tracker)})
        raise TrackError(f"{word} has no finished run in {experiment!r} yet; make one with python -m pipeline optim={word}")
    return Subject(tracker.client, runs[0])


def _finished(tracker: Tracker, condition: str = "") -> list[Any]:
    """Runs in which an optimization was measured; those of its noise are none."""
    query = f"attributes.status = 'FINISHED' and tags.fingerprint LIKE '%'{condition}"
    found = tracker.client.search_runs([tracker.experiment_id], query, order_by=["attributes.end_time DESC"])
    return [run for run in found if "latency/p50_ms" in run.data.metrics]


def _require_known(word: str, known: set[str]) -> None:
    if word not in known:
        raise ConfigError(f"{word}: neither a run id nor an optimization{nearest(word, known)}")
