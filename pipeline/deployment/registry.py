"""The model registry: versions of one registered model, and the aliases `champion` and `previous`.

An alias is only ever moved to a version that was loaded back and checked. `previous` is moved before `champion`, so that
after a crash in between both still name models that load.
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
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipeline.errors import TrackError
from pipeline.runtimes.base import packages_of
from pipeline.system import locks
from pipeline.tracking.server import Connection, in_one_line, without_password

CHAMPION, PREVIOUS = "champion", "previous"
STAYS = "the champion stays who it was"
BUNDLE = "model"  # with a number of its own, where a run keeps the model that MLflow loads
PATIENCE_S = 900  # for a model that is loaded back to answer the test split
CLASSIFIER = "classifier"  # and there, the artifact directory
PACKAGE = Path(__file__).resolve().parents[1]


class Damaged(TrackError):
    """A version that can't be loaded, or says something else than was measured."""


class Registry:
    """One registered model, of an experiment. Whatever the server refuses or can't do is a TrackError."""

    def __init__(self, connection: Connection, experiment: str) -> None:
        """That of an experiment; nothing is made yet."""
        self._connection = connection
        self._client = connection.client
        self._experiment = experiment
        self.name = experiment.replace("/", "-").replace(":", "-")

    def add(self, run_id: str, artifact: Path, settings: Mapping[str, int], tags: Mapping[str, str]) -> str:
        """Keep an artifact with its run as a model that MLflow can load, and register that; returns the version."""
        from mlflow.exceptions import MlflowException

        with tempfile.TemporaryDirectory() as scratch, in_one_line(self._connection):
            bundle, place = Path(scratch) / BUNDLE, f"{BUNDLE}-{secrets.token_hex(4)}"  # no version shares another's files
            write(artifact, bundle, settings)
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
        """Two experiments may give the same name: then the first has it."""
        other = self._client.get_registered_model(self.name).tags.get("experiment", self._experiment)
        if other != self._experiment:
            raise TrackError(f"the registered model {self.name} is of the experiment {other!r}; set another data.name")

    def at(self, alias: str) -> str | None:
        """The version that an alias names; None where it names none."""
        from mlflow.exceptions import MlflowException

        with in_one_line(self._connection):
            try:
                number = str(self._client.get_model_version_by_alias(self.name, alias).version)
                self._require_ours()
                return number
            except MlflowException as error:
                if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                    return None
                raise

    def promote(self, number: str, damaged: bool = False) -> str | None:
        """Make a version the champion; the one before, which is returned, becomes the previous one unless it is damaged.

        When the second of both can't be done, the first is undone, as far as the registry lets it.
        """
        before, previous = self.at(CHAMPION), self.at(PREVIOUS)
        with in_one_line(self._connection):
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

    def tag(self, number: str, key: str, value: str) -> None:
        """Say something of a version."""
        with in_one_line(self._connection):
            self._client.set_model_version_tag(self.name, number, key, value)

    def run_of(self, number: str) -> str:
        """The run that a version came from."""
        with in_one_line(self._connection):
            return str(self._client.get_model_version(self.name, number).run_id)

    def fetch(self, number: str, folder: Path) -> Path:
        """A version's artifact directory, copied out of the registry into a folder."""
        from mlflow.artifacts import download_artifacts

        with in_one_line(self._connection):
            uri = self._client.get_model_version_download_uri(self.name, number)
            model = download_artifacts(uri, dst_path=str(folder), tracking_uri=self._connection.uri)
        return Path(model) / "artifacts" / CLASSIFIER

    def answers(self, number: str, texts: Sequence[str]) -> list[dict[str, Any]]:
        """What a version says of texts, loaded by MLflow in a fresh process, with the code that was registered with it.

        For each label, score, abstained. Raises TrackError when it can't be loaded.
        """
        uri = f"models:/{self.name}/{number}"
        place = {"MLFLOW_TRACKING_URI": self._connection.uri, "MLFLOW_DISABLE_TELEMETRY": "true"}
        with tempfile.TemporaryDirectory() as scratch:
            asked, said = Path(scratch) / "texts.json", Path(scratch) / "answers.json"
            asked.write_text(json.dumps(list(texts)), encoding="utf-8")
            command = [sys.executable, "-I", str(PACKAGE / "deployment" / "serve" / "back.py"), uri, str(asked), str(said)]
            try:
                done = subprocess.run(
                    command, env=os.environ | place, capture_output=True, text=True, timeout=PATIENCE_S, cwd=scratch
                )
            except subprocess.TimeoutExpired as error:
                raise TrackError(f"{uri} did not answer within {PATIENCE_S} s; {STAYS}") from error
            if done.returncode:
                last = next(iter(done.stderr.strip().splitlines()[-1:]), f"exit code {done.returncode}")
                raise Damaged(f"{uri} can't be loaded ({without_password(last)}); {STAYS}")
            told = json.loads(said.read_text(encoding="utf-8"))
        if Path(told["code"]).is_relative_to(PACKAGE):
            raise Damaged(f"{uri} was registered without its code; {STAYS}")
        answers: list[dict[str, Any]] = told["answers"]
        return answers

    @contextmanager
    def held(self, root: Path) -> Iterator[None]:
        """One decision about this model at a time, of those that share `track.root`.

        Those of other machines on the same server are not held back: the last to move an alias has it, and each has moved it
        to a version that it had checked.
        """
        with locks.file_lock(
            root / "stages" / ".locks" / f"registry-{self.name}", "waiting for another decision about this model"
        ):
            yield


def write(artifact: Path, bundle: Path, settings: Mapping[str, int]) -> None:
    """Write an artifact as a model that MLflow can load, with this package's code and the requirements of its runtime."""
    from mlflow.pyfunc import save_model

    with tempfile.TemporaryDirectory() as scratch:
        code = Path(scratch) / PACKAGE.name
        shutil.copytree(PACKAGE, code, ignore=shutil.ignore_patterns("__pycache__", "*.csv", "*.png"))
        named = shutil.copytree(artifact, Path(scratch) / CLASSIFIER)  # the model keeps it under its own name
        save_model(
            str(bundle), python_model=str(PACKAGE / "deployment" / "serve" / "model.py"), artifacts={CLASSIFIER: str(named)},
            code_paths=[str(code)], model_config=dict(settings), pip_requirements=requirements(artifact),
        )  # fmt: skip


def requirements(artifact: Path) -> list[str]:
    """What a served artifact needs, pinned to what is installed; a local build of torch by its release."""
    return [f"{name}=={version(name).partition('+')[0]}" for name in ("mlflow", *packages_of(artifact))]
