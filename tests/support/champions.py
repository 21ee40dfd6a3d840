"""Champions of the experiment toy/tiny: who they are, where they lie, whether they load, what damages them."""

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from mlflow import MlflowClient

from pipeline.config import Config
from pipeline.deployment.registry import Registry
from pipeline.deployment.serve.answers import Answerer
from pipeline.tracking.artifacts import artifact_of
from pipeline.tracking.server import connect

NAME = "toy-tiny"


def aliases(client: MlflowClient) -> dict[str, str]:
    """Alias -> version."""
    if not client.search_registered_models():
        return {}
    return {alias: str(version) for alias, version in client.get_registered_model(NAME).aliases.items()}


def place(client: MlflowClient, number: str) -> Path:
    """A version's artifact directory, in the registry."""
    source = str(client.get_model_version(NAME, number).source)
    return Path(source.removeprefix("file://")) / "artifacts" / "classifier"


def loads(config: Config) -> bool:
    """Whether the champion does: it is fetched from the registry and answers."""
    registry = _registry(config)
    with tempfile.TemporaryDirectory() as folder:
        artifact = registry.fetch(str(registry.version_of("champion")), Path(folder))
        return len(Answerer(artifact)(["rain", "a song"])) == 2


def crown_baseline(config: Config, client: MlflowClient) -> str:
    """Make the baseline the champion by hand; returns its version."""
    experiment, root = client.get_experiment_by_name("toy/tiny").experiment_id, Path(config.track.root)
    (run,) = client.search_runs([experiment], "tags.role = 'baseline'")
    artifact, registry = artifact_of(client, run, root, root / "nowhere"), _registry(config)
    settings = {"threads": 1, "batch_size": 32}
    number = registry.register(run.info.run_id, artifact, settings, {"optim": "baseline_onnx"})
    registry.promote(number)
    return number


def _registry(config: Config) -> Registry:
    return Registry(connect(config.track), "toy/tiny")


def _swap_labels(artifact: Path) -> None:
    file = artifact / "classifier.json"
    told = json.loads(file.read_text())
    file.write_text(json.dumps(told | {"labels": told["labels"][::-1]}))


DAMAGES: dict[str, Callable[[Path], object]] = {  # what is said of it, a pattern -> what is done to the artifact directory
    "can't be loaded": lambda artifact: (artifact / "onnx/model.onnx").write_bytes(b"x"),
    r"answers \d+ of \d+ texts otherwise than measured; the champion stays": _swap_labels,
    "registered without its code|can't be loaded": lambda artifact: shutil.rmtree(artifact.parents[1] / "code"),
}
