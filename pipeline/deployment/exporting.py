"""`python -m pipeline export`: finds the artifact, writes its form, and says how to load it."""

import shutil
import tempfile
from pathlib import Path

from pipeline.config import Config
from pipeline.deployment import docker, forms, onnx_card
from pipeline.deployment.card import how_to_load
from pipeline.deployment.registry import CHAMPION, PREVIOUS, fetch_alias
from pipeline.errors import ConfigError
from pipeline.runtimes.base import Description
from pipeline.tracking.artifacts import artifact_of
from pipeline.tracking.find import find

IN_A_CONTAINER = """## As a service

```
python server.py                                   # without Docker, on 127.0.0.1:8000
docker build -t classifier . && docker run -p 8000:8000 classifier
curl 127.0.0.1:8000/invocations -d '{"inputs": [...]}'
```"""


def find_artifact(name: str, config: Config, scratch: Path) -> Path:
    """The artifact directory of a run id, an optimization, or an alias of the registry. Raises UserError without one."""
    if name in (CHAMPION, PREVIOUS):
        return fetch_alias(name, config, scratch)
    found = find(name, config)
    return artifact_of(found.client, found.run, Path(config.track.root).resolve(), scratch)


def export(artifact: Path, folder: Path, container: bool) -> list[str]:
    """Write an artifact into an empty or new directory; returns what to tell about it. Raises UserError."""
    with tempfile.TemporaryDirectory() as scratch:
        written = Path(scratch) / "exported"
        try:
            form = forms.write(artifact, written, handler=container)
        except (OSError, ValueError, TypeError) as error:  # a file of it is missing, or it is of an older version
            raise ConfigError(f"the classifier can't be read ({error}); make it again with python -m pipeline") from error
        told = [f"written to {folder}: {form.told()}"]
        told += [f"image: {docker.write(written)}"] if container else []
        description = Description.read(written)
        labels = ", ".join(f"`{label}`" for label in description.labels)
        load = how_to_load("DIRECTORY", description, form, local=True)
        known = [f"# A text classifier\n\n## How to load it\n\n{load}", *onnx_card.differences(form.notes)]
        known += [IN_A_CONTAINER] if container else []
        text = "\n\n".join([*known, f"## Labels\n\n{labels}\n"])
        (written / "README.md").write_text(text, encoding="utf-8")
        shutil.copytree(written, folder, dirs_exist_ok=True)
    return told
