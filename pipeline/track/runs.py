"""Runs in MLflow: started, filled, ended as FINISHED, FAILED or KILLED with the reason, and found again."""

import contextlib
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import TrackError
from pipeline.processes import is_gone, signal_of, this_process
from pipeline.report import Report, Row
from pipeline.track import contents
from pipeline.track.server import Connection

NOTHING_YET = "experiment {!r} has no finished run yet; make one with python -m pipeline"
NOTE = "mlflow.note.content"  # the run's description, shown as Markdown
PARENT = "mlflow.parentRunId"  # nests a run in another


@dataclass(frozen=True)
class Identity:
    """What a run is, as tags: other programs read them."""

    optim: str
    baseline: str
    fingerprint: str  # of the artifact
    data_hash: str
    comparable: str  # equal where data, backbone, measuring settings and machine are
    sweep_id: str | None = None
    job: int | None = None  # of the sweep
    settings: str | None = None  # what the job has that others of the sweep have not
    role: str = "candidate"  # or "baseline"

    def tags(self) -> dict[str, str]:
        """The tags of a run."""
        tags = {name: str(value) for name, value in vars(self).items() if value not in (None, "")}
        return tags | {"machine": contents.machine_name(), "process": this_process()}


class Tracker:
    """One experiment of an MLflow server or database."""

    def __init__(self, connection: Connection, experiment: str, create: bool = True) -> None:
        """Raises TrackError when the experiment is not there and `create` is False, or can't be made."""
        self.client = connection.client
        self.connection = connection
        self.experiment = experiment
        self.experiment_id = self._experiment_id(create)

    def _experiment_id(self, create: bool) -> str:
        from mlflow.exceptions import MlflowException

        for _ in range(2):  # another process may make it between the two calls
            found = self.client.get_experiment_by_name(self.experiment)
            if found is not None:
                if found.lifecycle_stage == "deleted":
                    raise TrackError(f"the MLflow experiment {self.experiment!r} was deleted; restore it or set data.name")
                self._require_place(found.artifact_location)
                return str(found.experiment_id)
            if not create:
                raise TrackError(NOTHING_YET.format(self.experiment))
            with contextlib.suppress(MlflowException):
                folder = self.experiment.replace("/", "_")
                location = f"{self.connection.artifacts}/{folder}" if self.connection.artifacts else None
                return str(self.client.create_experiment(self.experiment, artifact_location=location))
        raise TrackError(f"the MLflow experiment {self.experiment!r} can't be made")

    def _require_place(self, location: str) -> None:
        """MLflow keeps absolute paths: in a directory that was moved, listings would come back empty without a word."""
        ours = self.connection.artifacts
        if ours is not None and location.startswith("file:") and not location.startswith(f"{ours}/"):
            raise TrackError(
                f"the runs of {self.experiment!r} keep their files in {location.removeprefix('file://')}, "
                "where mlruns was when they were made; move it back, or set track.root to a new directory"
            )

    @contextlib.contextmanager
    def run(self, identity: Identity) -> Iterator["Run"]:
        """A run that ends as it should, whatever happens inside the `with` statement."""
        tags = identity.tags()
        parent = self.sweep_run(identity.sweep_id) if identity.sweep_id else None
        if parent:
            tags[PARENT] = parent
        run_id = self.client.create_run(self.experiment_id, run_name=identity.optim, tags=tags).info.run_id
        run = Run(self.client, run_id, self.experiment_id)
        try:
            yield run
        except BaseException as error:
            killed = is_kill(error)
            with contextlib.suppress(Exception):  # what went wrong first is what must be told
                self.client.set_tag(run_id, "reason", f"{type(error).__name__}: {error}"[:4000])
                if not killed:
                    self.client.log_text(run_id, traceback.format_exc(), "traceback.txt")
            with contextlib.suppress(Exception):
                self.client.set_terminated(run_id, "KILLED" if killed else "FAILED")
            raise
        self.client.set_terminated(run_id, "FINISHED")

    def sweep_run(self, sweep_id: str) -> str | None:
        """The run, in this experiment, that the runs of a sweep are nested in."""
        query = f"tags.sweep_id = '{sweep_id}' and tags.kind = 'sweep'"
        found = self.client.search_runs([self.experiment_id], query, max_results=1)
        return str(found[0].info.run_id) if found else None

    def row(self, run_id: str) -> Row:
        """A finished run, as a row."""
        return _row(self.client.get_run(run_id))

    def row_of(self, run_id: str, identity: Identity) -> Row | None:
        """A run, if it is a finished one of this very artifact, measured the same way."""
        run = self.client.get_run(run_id)
        wanted = (identity.fingerprint, identity.comparable)
        same = (run.data.tags.get("fingerprint"), run.data.tags.get("comparable")) == wanted
        return _row(run) if same and run.info.status == "FINISHED" else None

    def baseline_of(self, run_id: str) -> Row | None:
        """The newest run of the baseline that a run is compared with."""
        comparable = self.client.get_run(run_id).data.tags["comparable"]
        return next((row for row in self.rows(comparable) if row.is_baseline), None)

    def close_orphans(self) -> None:
        """End, as KILLED, the runs whose process on this machine is gone: a kill -9 leaves them running for ever."""
        running = self.client.search_runs([self.experiment_id], "attributes.status = 'RUNNING'")
        for run in running:
            if is_gone(run.data.tags.get("process", "")):
                self.client.set_tag(run.info.run_id, "reason", "its process was killed")
                self.client.set_terminated(run.info.run_id, "KILLED")

    def rows(self, comparable: str) -> list[Row]:
        """The newest finished run of each optimization among those that compare."""
        newest: dict[tuple[str, bool], Row] = {}
        for run in self._finished(f"tags.comparable = '{comparable}'"):
            row = _row(run)
            newest.setdefault((row.optim, row.is_baseline), row)
        return list(newest.values())

    def find(self, identity: Identity) -> Row | None:
        """The newest finished run of this very artifact, measured the same way."""
        same = f"tags.comparable = '{identity.comparable}' and tags.fingerprint = '{identity.fingerprint}'"
        run = next(self._finished(f"{same} and tags.optim = '{identity.optim}'"), None)
        return _row(run) if run is not None else None

    def newest_comparable(self) -> str | None:
        """The `comparable` tag of the experiment's newest finished run."""
        run = next(self._finished(""), None)
        return run.data.tags.get("comparable") if run is not None else None

    def _finished(self, condition: str) -> Iterator[Any]:
        query = " and ".join(filter(None, ["attributes.status = 'FINISHED'", condition]))
        token = None
        while True:
            page = self.client.search_runs(
                [self.experiment_id], query, order_by=["attributes.end_time DESC"], max_results=200, page_token=token
            )
            yield from (run for run in page if "latency/p50_ms" in run.data.metrics and "optim" in run.data.tags)
            token = page.token
            if not token:
                return


def _row(run: Any) -> Row:
    tags = run.data.tags
    seed = run.data.params.get("seed", "")
    return Row(
        tags["optim"], dict(run.data.metrics), run.info.run_id, tags.get("role") == "baseline", tags.get("settings", ""),
        int(seed) if seed.isdecimal() else None,
    )  # fmt: skip


def is_kill(error: BaseException) -> bool:
    """Whether someone ended the program, rather than a fault in it: Ctrl-C, or a signal (exit code 128 + n)."""
    signalled = isinstance(error, SystemExit) and signal_of(error.code) is not None
    return signalled or isinstance(error, KeyboardInterrupt)


class Run:
    """A run that is under way."""

    def __init__(self, client: Any, run_id: str, experiment_id: str) -> None:
        self._client = client
        self._experiment_id = experiment_id
        self.run_id = run_id

    def log_start(self, config_yaml: str, parameters: Mapping[str, Any], data: Mapping[str, Any]) -> None:
        """The configuration, a few parameters, machine and versions, the data set (name, hash, source, rows by split)."""
        import json

        from mlflow.entities import Dataset, DatasetInput, InputTag, Param

        self._client.log_text(self.run_id, config_yaml, "config.yaml")
        self._client.log_dict(self.run_id, contents.environment(), "environment.json")
        self._client.log_batch(self.run_id, params=[Param(key, str(value)) for key, value in parameters.items()])
        dataset = Dataset(
            name=data["name"], digest=data["hash"][:36], source_type=data["kind"], source=json.dumps(data["source"]),
            profile=json.dumps(data["rows"]),
        )  # fmt: skip
        self._client.log_inputs(self.run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "train and test")])])

    def log_curves(self, curves: Mapping[str, list[dict[str, float]]]) -> None:
        """Training curves: one point an epoch, `training/<figure>`."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        epochs = [epoch for stage in curves.values() for epoch in stage]  # of a second training they are counted on
        points = [
            Metric(f"training/{name}", digits(value), now, number)
            for number, epoch in enumerate(epochs, 1)
            for name, value in epoch.items()
            if name != "epoch"
        ]
        if points:
            self._client.log_batch(self.run_id, metrics=points)

    def log_trial(self, trial: Mapping[str, Any]) -> None:
        """A trial of a search, as a run nested in this one (see `pipeline.search.search`)."""
        from mlflow.entities import Metric, Param

        now = int(time.time() * 1000)
        tags = {PARENT: self.run_id, "kind": "trial", "state": trial["state"]}
        start, name = now - int(trial["seconds"] * 1000), f"trial {trial['number']}"
        run_id = self._client.create_run(self._experiment_id, start_time=start, tags=tags, run_name=name).info.run_id
        points = [
            Metric("training/validation_accuracy", value, now, epoch) for epoch, value in enumerate(trial["epochs"], 1)
        ]
        settings = [Param(key, f"{value:.6g}") for key, value in trial["settings"].items()]
        self._client.log_batch(run_id, [*points, Metric("search/validation_accuracy", trial["value"], now, 0)], settings)
        self._client.set_terminated(run_id, "FINISHED")

    def log_folder(self, folder: Path) -> None:
        """The files of a folder."""
        self._client.log_artifacts(self.run_id, str(folder))

    def log_report(self, report: Report, figures: Mapping[str, float]) -> None:
        """The final metrics, and what the steps reached, in one batch; predictions and raw samples as Parquet."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [
            Metric(key, value if key.startswith("quality/") else digits(value), now, 0)
            for key, value in {**figures, **report.metrics()}.items()
        ]
        self._client.log_batch(self.run_id, metrics=metrics)
        with tempfile.TemporaryDirectory() as folder:
            contents.write_predictions(report.predictions, Path(folder) / "predictions.parquet")
            contents.write_latency(report, Path(folder) / "latency.parquet")
            self._client.log_artifacts(self.run_id, folder)

    def log_comparison(self, folder: Path, markdown: str) -> None:
        """The comparison's files, and its table as the run's description."""
        self._client.log_artifacts(self.run_id, str(folder))
        self._client.set_tag(self.run_id, NOTE, markdown)

    def log_classifier(self, artifact: Path) -> None:
        """The artifact directory itself, under `classifier/`."""
        self._client.log_artifacts(self.run_id, str(artifact), "classifier")


def digits(value: float) -> float:
    """Five significant digits: MLflow's UI shows all it is given."""
    return float(f"{value:.5g}")
