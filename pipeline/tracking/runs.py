"""Runs in MLflow: start them, end them as FINISHED, FAILED or KILLED with the reason, and find them again."""

import contextlib
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from pipeline.config import Config
from pipeline.errors import TrackError, no_finished_run
from pipeline.evaluation.evidence import Evidence
from pipeline.evaluation.metrics import LATENCY
from pipeline.evaluation.report import TAGS, Predictions
from pipeline.evaluation.rows import Row
from pipeline.system import disk
from pipeline.system.machine import machine_name
from pipeline.system.processes import is_gone, signal_of, this_process
from pipeline.tasks import SINGLE_LABEL, Task
from pipeline.tracking.contents import PREDICTIONS, Split, read_predictions
from pipeline.tracking.evidence import evidence_of
from pipeline.tracking.run import PARENT, Run
from pipeline.tracking.server import Connection, connect_existing

UNFINISHED = ("RUNNING", "SCHEDULED")  # SCHEDULED: made, to be measured later


@dataclass(frozen=True)
class Identity:
    """The tags that identify a run. Other programs read them."""

    optim: str
    baseline: str
    fingerprint: str  # of the artifact
    data_hash: str
    comparable: str  # see `identity.comparable_key`
    protocol: str = ""  # see `identity.protocol_key`
    measurement: str = ""  # see `identity.measurement_key`
    sweep_id: str | None = None
    job: int | None = None  # its number in the sweep
    settings: str | None = None  # the values that the sweep varies
    role: str = "candidate"  # or "baseline"

    def tags(self) -> dict[str, str]:
        """The tags of a run."""
        tags = {name: str(value) for name, value in vars(self).items() if value not in (None, "")}
        return tags | {"machine": machine_name(), "process": this_process()}


class Tracker:
    """One experiment of an MLflow server or database."""

    def __init__(self, connection: Connection, experiment: str, create: bool = True) -> None:
        """Raises TrackError if the experiment does not exist and `create` is False, or if it can't be created."""
        self.client = connection.client
        self.connection = connection
        self.experiment = experiment
        self.experiment_id = self._experiment_id(create)

    def _experiment_id(self, create: bool) -> str:
        from mlflow.exceptions import MlflowException

        for _ in range(2):  # another process may create it between the two calls
            found = self.client.get_experiment_by_name(self.experiment)
            if found is not None:
                if found.lifecycle_stage == "deleted":
                    raise TrackError(f"the MLflow experiment {self.experiment!r} was deleted; restore it or set data.name")
                self._require_place(found.artifact_location)
                return str(found.experiment_id)
            if not create:
                raise no_finished_run(self.experiment)
            with contextlib.suppress(MlflowException):
                folder = quote(self.experiment.replace("/", "_"))
                location = f"{self.connection.artifacts}/{folder}" if self.connection.artifacts else None
                return str(self.client.create_experiment(self.experiment, artifact_location=location))
        raise TrackError(f"the MLflow experiment {self.experiment!r} can't be created")

    def _require_place(self, location: str) -> None:
        """Raises TrackError if `track.root` was moved: MLflow keeps absolute paths, and would list no files."""
        ours = self.connection.artifacts
        if ours is not None and location.startswith("file:") and not location.startswith(f"{ours}/"):
            raise TrackError(
                f"the runs of {self.experiment!r} keep their files in {unquote(urlsplit(location).path)}, "
                "where track.root was then; move it back, or set track.root to a new directory"
            )

    @contextlib.contextmanager
    def run(self, identity: Identity, pending: bool = False) -> Iterator[Run]:
        """Start a run and end it after the `with` statement: as FINISHED, or as FAILED or KILLED after an error.

        A `pending` run is SCHEDULED instead of FINISHED, to be resumed by the process of its sweep.
        """
        tags = identity.tags()
        parent = self.sweep_run(identity.sweep_id) if identity.sweep_id else None
        if parent:
            tags[PARENT] = parent
        run_id = self.client.create_run(self.experiment_id, run_name=identity.optim, tags=tags).info.run_id
        with self._record_failure(run_id):
            yield Run(self.client, run_id, self.experiment_id)
        if pending and parent:
            self.client.set_tag(run_id, "process", self.client.get_run(parent).data.tags["process"])
        if pending:
            self.client.update_run(run_id, status="SCHEDULED")
        else:
            self.client.set_terminated(run_id, "FINISHED")

    @contextlib.contextmanager
    def resume(self, run_id: str, identity: Identity) -> Iterator[Run]:
        """Continue a pending run, or one whose continuation was interrupted. It belongs to this process and machine now."""
        for name, value in identity.tags().items():
            self.client.set_tag(run_id, name, value)
        for name in {"reason", *TAGS} & self.client.get_run(run_id).data.tags.keys():  # of an earlier attempt
            self.client.delete_tag(run_id, name)
        self.client.update_run(run_id, status="RUNNING")
        with self._record_failure(run_id):
            run = Run(self.client, run_id, self.experiment_id)
            run.log_environment()
            yield run
        self.client.set_terminated(run_id, "FINISHED")

    @contextlib.contextmanager
    def _record_failure(self, run_id: str) -> Iterator[None]:
        """After an error, end the run as FAILED or KILLED, with the reason."""
        try:
            yield
        except BaseException as error:
            killed, root = was_terminated(error), self.connection.root
            if root is not None and disk.is_full(error, [root]):
                disk.release(root)  # room to say so
            with contextlib.suppress(Exception):  # the first error must be raised, not one of MLflow
                self.client.set_tag(run_id, "reason", f"{type(error).__name__}: {error}"[:4000])
                if not killed:
                    self.client.log_text(run_id, traceback.format_exc(), "traceback.txt")
            with contextlib.suppress(Exception):
                self.client.set_terminated(run_id, "KILLED" if killed else "FAILED")
            raise

    def sweep_run(self, sweep_id: str) -> str | None:
        """The id of a sweep's parent run in this experiment; None without one."""
        query = f"tags.sweep_id = '{sweep_id}' and tags.kind = 'sweep'"
        found = self.client.search_runs([self.experiment_id], query, max_results=1)
        return str(found[0].info.run_id) if found else None

    def row(self, run_id: str) -> Row:
        """The row of a finished run."""
        return _row(self.client.get_run(run_id))

    def row_of(self, run_id: str, identity: Identity) -> Row | None:
        """The row of a run if it is finished and has the same artifact, measured the same way; else None."""
        run = self.client.get_run(run_id)
        wanted = (identity.fingerprint, identity.comparable)
        same = (run.data.tags.get("fingerprint"), run.data.tags.get("comparable")) == wanted
        return _row(run) if same and run.info.status == "FINISHED" else None

    def baseline_of(self, run_id: str) -> Row | None:
        """The newest comparable run of the baseline; None without one."""
        comparable = self.client.get_run(run_id).data.tags["comparable"]
        return next((row for row in self.rows(comparable) if row.is_baseline), None)

    def predictions(
        self, run_id: str, labels: Sequence[str], oos: int | None, split: Split = "test", task: Task = SINGLE_LABEL
    ) -> Predictions:
        """A finished run's predictions of a split; those of validation are cross-fitted (see `pipeline.runtimes.crossfit`).

        Raises TrackError if they are missing or damaged.
        """
        name = PREDICTIONS[split]
        with tempfile.TemporaryDirectory() as folder:
            try:
                file = self.client.download_artifacts(run_id, name, folder)
                return read_predictions(Path(file), labels, oos, task)
            except Exception as error:  # errors of MLflow and Arrow; OSError for a missing file
                problem = f"{name} of run {run_id} can't be read ({type(error).__name__})"
                raise TrackError(f"{problem}; run it again") from error

    def close_orphans(self) -> None:
        """End unfinished runs as KILLED if their process on this machine is gone, for instance after kill -9."""
        for status in UNFINISHED:
            for run in self.client.search_runs([self.experiment_id], f"attributes.status = '{status}'"):
                if is_gone(run.data.tags.get("process", "")):
                    self.client.set_tag(run.info.run_id, "reason", "its process was killed")
                    self.client.set_terminated(run.info.run_id, "KILLED")

    def rows(self, comparable: str) -> list[Row]:
        """The newest finished run of each optimization with this `comparable` tag."""
        newest: dict[tuple[str, bool], Row] = {}
        for run in self.finished(f"tags.comparable = '{comparable}'"):
            row = _row(run)
            newest.setdefault((row.optim, row.is_baseline), row)
        return list(newest.values())

    def evidence(self, sweep_id: str | None) -> list[tuple[Row, dict[str, str]]]:
        """The newest finished run of each optimization, setting and seed, with its tags; of one sweep, or of all runs.

        The baselines that a sweep's runs were compared with are included, even if they are not part of the sweep.
        """
        found = [(_row(run), dict(run.data.tags)) for run in self.finished("")]
        if sweep_id is not None:
            keys = {tags["comparable"] for _, tags in found if tags.get("sweep_id") == sweep_id}
            found = [
                (row, tags)
                for row, tags in found
                if tags.get("sweep_id") == sweep_id or (row.is_baseline and tags["comparable"] in keys)
            ]
        newest: dict[tuple[Any, ...], tuple[Row, dict[str, str]]] = {}
        for row, tags in found:
            newest.setdefault((row.optim, row.settings, row.seed, row.is_baseline), (row, tags))
        return list(newest.values())

    def evidence_of(self, run_id: str) -> Evidence:
        """What a run's files hold, to compare it with another run. Raises TrackError if one of them can't be read."""
        return evidence_of(self.client, run_id)

    def find(self, identity: Identity) -> Row | None:
        """The newest finished run of the same artifact, measured the same way; None without one."""
        same = f"tags.comparable = '{identity.comparable}' and tags.fingerprint = '{identity.fingerprint}'"
        run = next(self.finished(f"{same} and tags.optim = '{identity.optim}'"), None)
        return _row(run) if run is not None else None

    def newest_comparable(self) -> str | None:
        """The `comparable` tag of the experiment's newest finished run."""
        run = next(self.finished(""), None)
        return run.data.tags.get("comparable") if run is not None else None

    def finished(self, condition: str) -> Iterator[Any]:
        """The finished runs of optimizations that match a condition of MLflow's search, the newest first."""
        query = " and ".join(filter(None, ["attributes.status = 'FINISHED'", condition]))
        token = None
        while True:
            page = self.client.search_runs(
                [self.experiment_id], query, order_by=["attributes.end_time DESC"], max_results=200, page_token=token
            )
            yield from (run for run in page if LATENCY in run.data.metrics and "optim" in run.data.tags)
            token = page.token
            if not token:
                return


def _row(run: Any) -> Row:
    tags = run.data.tags
    seed = run.data.params.get("seed", "")
    return Row(
        tags["optim"], dict(run.data.metrics), run.info.run_id, tags.get("role") == "baseline", tags.get("settings", ""),
        int(seed) if seed.isdecimal() else None, verdict=tags.get("verdict", ""), contended=tags.get("contended", ""),
        measured_at=tags.get("measured_at", ""), comparable=tags.get("comparable", ""),
    )  # fmt: skip


def was_terminated(error: BaseException) -> bool:
    """Whether the program was ended from outside: Ctrl-C, or a signal (exit code 128 + n)."""
    signalled = isinstance(error, SystemExit) and signal_of(error.code) is not None
    return signalled or isinstance(error, KeyboardInterrupt)


def open_experiment(config: Config) -> Tracker:
    """The experiment of a configuration; creates nothing. Raises TrackError if it does not exist."""
    connection = connect_existing(config.track, no_finished_run(config.experiment_name))
    return Tracker(connection, config.experiment_name, create=False)
