"""The artifact that a run measured: its stage if that exists and is complete, else MLflow's copy."""

import contextlib
import json
from pathlib import Path
from typing import Any

from pipeline.errors import TrackError
from pipeline.steps.store import ARTIFACT, MANIFEST, damage


def artifact_of(client: Any, run: Any, root: Path, scratch: Path) -> Path:
    """The artifact directory of an MLflow run; MLflow's copy is downloaded into `scratch`. `root` is `track.root`.

    Raises TrackError if neither the stage nor the copy exists.
    """
    fingerprint, run_id = run.data.tags["fingerprint"], run.info.run_id
    for manifest in sorted((root / "stages").glob(f"*-{fingerprint[:16]}/{MANIFEST}")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # the manifest is unreadable
            stored = json.loads(manifest.read_text(encoding="utf-8"))
            if stored["fingerprint"] == fingerprint and damage(manifest.parent / ARTIFACT, stored["files"]) is None:
                return manifest.parent / ARTIFACT
    if client.list_artifacts(run_id, "classifier"):
        scratch.mkdir(parents=True, exist_ok=True)
        return Path(client.download_artifacts(run_id, "classifier", str(scratch)))
    raise TrackError(
        f"the classifier of run {run_id} is neither in {root / 'stages'} nor in MLflow; make it again with "
        f"python -m pipeline optim={run.data.tags['optim']} first"
    )
