"""The model registry: versions of one registered model, and the aliases `champion` and `previous`.

An alias is only moved to a version that was loaded back and checked. `previous` is moved before `champion`, so both name
models that can be loaded even after a crash in between.
"""

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.config import Config
from pipeline.deployment import carried_code
from pipeline.deployment.carried_code import PACKAGE
from pipeline.errors import TrackError
from pipeline.runtimes.base import Description, packages_of
from pipeline.system import locks
from pipeline.system.packages import pinned
from pipeline.tasks.inputs import Input, to_json
from pipeline.tracking.server import Connection, as_track_error, connect_existing, without_password

CHAMPION, PREVIOUS = "champion", "previous"
CHAMPION_UNCHANGED = "the champion stays the same"
MODEL_DIR = "model"  # prefix of the directory, in a run's artifacts, that holds a registered model
ANSWER_TIMEOUT_S = 900  # for a registered model to predict the test split
ARTIFACT_NAME = "classifier"  # the artifact directory inside such a model


class DamagedVersionError(TrackError):
    """A version that can't be loaded, or whose predictions differ from the measured ones."""


def fetch_alias(alias: str, config: Config, folder: Path, instead: str = "") -> Path:
    """Download the artifact directory of an alias. Raises TrackError, which names what to do `instead`, without one."""
    nobody = TrackError(f"{config.experiment_name} has no {alias} yet; python -m pipeline decide makes one{instead}")
    registry = Registry(connect_existing(config.track, nobody), config.experiment_name)
    number = registry.version_of(alias)
    if number is None:
        raise nobody
    return registry.fetch(number, folder)


class Registry:
    """The registered model of an experiment. Failures of the server are raised as TrackError."""

    def __init__(self, connection: Connection, experiment: str) -> None:
        """Creates nothing on the server."""
        self._connection = connection
        self._client = connection.client
        self._experiment = experiment
        self.name = experiment.replace("/", "-").replace(":", "-")

    def register(self, run_id: str, artifact: Path, settings: Mapping[str, int], tags: Mapping[str, str]) -> str:
        """Log an artifact with its run as a model that MLflow can load, and register it. Returns the version."""
        from mlflow.exceptions import MlflowException

        with tempfile.TemporaryDirectory() as scratch, as_track_error(self._connection):
            bundle = Path(scratch) / MODEL_DIR
            place = f"{MODEL_DIR}-{secrets.token_hex(4)}"  # each version has its own files
            write_model(artifact, bundle, settings)
            self._client.log_artifacts(run_id, str(bundle), place)
            try:
                self._client.create_registered_model(self.name, tags={"experiment": self._experiment})
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
                self._require_ours()
            source = f"{self._client.get_run(run_id).info.artifact_uri}/{place}"
            made = self._client.create_model_version(self.name, source, run_id, tags=dict(tags))
            return str(made.version)

    def _require_ours(self) -> None:
        """Raises TrackError if another experiment whose name maps to the same model was first."""
        other = self._client.get_registered_model(self.name).tags.get("experiment", self._experiment)
        if other != self._experiment:
            raise TrackError(f"the registered model {self.name} belongs to the experiment {other!r}; set another data.name")

    def version_of(self, alias: str) -> str | None:
        """The version of an alias; None if the alias does not exist."""
        from mlflow.exceptions import MlflowException

        with as_track_error(self._connection):
            try:
                number = str(self._client.get_model_version_by_alias(self.name, alias).version)
                self._require_ours()
                return number
            except MlflowException as error:
                if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                    return None
                raise

    def promote(self, number: str, damaged: bool = False) -> str | None:
        """Make a version the champion. The old champion, which is returned, becomes `previous` unless it is damaged.

        If `champion` can't be moved, `previous` is moved back if possible.
        """
        before, previous = self.version_of(CHAMPION), self.version_of(PREVIOUS)
        with as_track_error(self._connection):
            if before is not None and not damaged:
                self._client.set_registered_model_alias(self.name, PREVIOUS, before)
            try:
                self._client.set_registered_model_alias(self.name, CHAMPION, number)
            except BaseException:
                with contextlib.suppress(Exception):
                    if previous is None:
                        self._client.delete_registered_model_alias(self.name, PREVIOUS)
                    else:
                        self._client.set_registered_model_alias(self.name, PREVIOUS, previous)
                raise
        return before

    def set_tag(self, number: str, key: str, value: str) -> None:
        """Set a tag of a version."""
        with as_track_error(self._connection):
            self._client.set_model_version_tag(self.name, number, key, value)

    def run_id_of(self, number: str) -> str:
        """The id of the run that a version was registered from."""
        with as_track_error(self._connection):
            return str(self._client.get_model_version(self.name, number).run_id)

    def fetch(self, number: str, folder: Path) -> Path:
        """Download a version's artifact directory into a folder; returns its path."""
        from mlflow.artifacts import download_artifacts

        with as_track_error(self._connection):
            uri = self._client.get_model_version_download_uri(self.name, number)
            model = download_artifacts(uri, dst_path=str(folder), tracking_uri=self._connection.uri)
        return Path(model) / "artifacts" / ARTIFACT_NAME

    def predict(self, number: str, texts: Sequence[Input]) -> list[dict[str, Any]]:
        """The answers of a version to texts, as served. MLflow loads it in a new process, with its own code.

        Raises DamagedVersionError if it can't be loaded, TrackError if it takes too long.
        """
        uri = f"models:/{self.name}/{number}"
        environment = os.environ | {"MLFLOW_TRACKING_URI": self._connection.uri, "MLFLOW_DISABLE_TELEMETRY": "true"}
        with tempfile.TemporaryDirectory() as scratch:
            texts_file, answers_file = Path(scratch) / "texts.json", Path(scratch) / "answers.json"
            texts_file.write_text(json.dumps([to_json(text) for text in texts]), encoding="utf-8")
            script = PACKAGE / "deployment" / "serve" / "load_back.py"
            command = [sys.executable, "-I", str(script), uri, str(texts_file), str(answers_file)]
            try:
                done = subprocess.run(
                    command, env=environment, capture_output=True, text=True, timeout=ANSWER_TIMEOUT_S, cwd=scratch
                )
            except subprocess.TimeoutExpired as error:
                raise TrackError(f"{uri} did not answer within {ANSWER_TIMEOUT_S} s; {CHAMPION_UNCHANGED}") from error
            if done.returncode:
                last = next(iter(done.stderr.strip().splitlines()[-1:]), f"exit code {done.returncode}")
                raise DamagedVersionError(f"{uri} can't be loaded ({without_password(last)}); {CHAMPION_UNCHANGED}")
            result = json.loads(answers_file.read_text(encoding="utf-8"))
        if Path(result["code"]).is_relative_to(PACKAGE):
            raise DamagedVersionError(f"{uri} was registered without its code; {CHAMPION_UNCHANGED}")
        answers: list[dict[str, Any]] = result["answers"]
        return answers

    @contextmanager
    def lock(self, root: Path) -> Iterator[None]:
        """Hold a lock, so that processes that share `track.root` decide about this model one at a time.

        Processes on other machines that use the same server are not locked out: the last one to move an alias wins, and each
        moves it to a version that it has checked.
        """
        with locks.file_lock(
            root / "stages" / ".locks" / f"registry-{self.name}", "waiting for another decision about this model"
        ):
            yield


def write_model(artifact: Path, bundle: Path, settings: Mapping[str, int]) -> None:
    """Write an artifact as an MLflow model, with the code that serves it and the requirements of the runtime."""
    from mlflow.pyfunc import save_model

    with tempfile.TemporaryDirectory() as scratch:
        service = Description.read(artifact).kind.service
        code = carried_code.write(artifact, service, Path(scratch))
        named = shutil.copytree(artifact, Path(scratch) / ARTIFACT_NAME)  # MLflow keeps the directory's name
        with carried_code.importable(code):
            save_model(
                str(bundle), python_model=str(code / carried_code.SERVE / f"{service}.py"),
                artifacts={ARTIFACT_NAME: str(named)}, code_paths=[str(code)],
                model_config=dict(settings), pip_requirements=requirements(artifact),
            )  # fmt: skip


def requirements(artifact: Path) -> list[str]:
    """The packages that a served artifact needs, pinned to the installed versions without their local part ("+cpu")."""
    return pinned(("mlflow", *packages_of(artifact)))
