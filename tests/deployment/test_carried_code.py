"""What MLflow serves carries its own code: two versions answer in one process, beside a `pipeline` of the user's own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.config import Track
from pipeline.deployment import carried_code
from pipeline.deployment.registry import Registry
from pipeline.tracking.runs import Tracker
from pipeline.tracking.server import connect
from tests.support import instant

pytestmark = pytest.mark.slow

BOTH = """
import json, logging, sys
logging.disable()
import pipeline
from mlflow.pyfunc import load_model

champion, previous = (load_model(f"models:/toy-tiny@{alias}") for alias in ("champion", "previous"))
answers = [model.predict(["rain", "play a song"])[-1].model_dump() for model in (champion, previous, champion)]
answers.append(pipeline.OWN)
heavy = {"torch", "transformers", "hydra", "datasets"} & set(sys.modules)
print(json.dumps([*answers, sorted(heavy)]))
"""


def test_champion_and_previous_of_two_versions_answer_in_one_process_from_a_folder_with_a_pipeline_of_its_own(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = connect(Track(root=str(root)))
    tracker, registry = Tracker(connection, "toy/tiny"), Registry(connection, "toy/tiny")
    run_id = tracker.client.create_run(tracker.experiment_id).info.run_id
    artifact = instant.write(tmp_path / "instant", ["weather", "music", "food"])
    registry.promote(registry.register(run_id, artifact, {"threads": 1, "batch_size": 32}, {}))

    newer = shutil.copytree(carried_code.PACKAGE, tmp_path / "newer" / "pipeline")
    changed = newer / "tasks" / "single_label.py"
    before = changed.read_text(encoding="utf-8")
    assert "OneLabel(labels[label], " in before
    changed.write_text(before.replace("OneLabel(labels[label], ", "OneLabel(labels[label].upper(), "), encoding="utf-8")
    monkeypatch.setattr(carried_code, "PACKAGE", newer)
    registry.promote(registry.register(run_id, artifact, {"threads": 1, "batch_size": 32}, {}))
    assert not [name for name in sys.modules if name.startswith(carried_code.PREFIX)]

    carried = sorted(path for path in root.rglob(f"code/{carried_code.PREFIX}*") if path.is_dir())
    assert len(carried) == 2 and not list(root.rglob("code/pipeline"))
    assert all(20 < len(list(package.rglob("*.py"))) < 40 for package in carried)
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "__init__.py").write_text("OWN = 'of the user'", encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"MLFLOW_TRACKING_URI": connection.uri, "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [sys.executable, "-c", BOTH]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    champion, previous, again, own, heavy = json.loads(done.stdout.splitlines()[-1])
    assert champion == again == previous | {"label": previous["label"].upper()} and own == "of the user" and not heavy
    assert previous["label"] in ("weather", "music", "food")
