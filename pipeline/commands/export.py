"""Write a classifier into a directory, in the form that other programs load.

python -m pipeline export distilbert DIR                           the newest run of an optimization
python -m pipeline export distillation_onnx_int8 DIR data=clinc150   in another experiment
python -m pipeline export champion DIR --docker                    the champion, with a server and a Dockerfile
python -m pipeline export RUN_ID DIR                               a run, by its id in MLflow

DIR, which must be new or empty, gets what publish.hub would push: a checkpoint of transformers, or a graph as Optimum
and transformers.js expect it. What they can't load, or would answer otherwise, gets a handler.py, which needs its
runtime alone. README.md there says how to load it. Other settings are those of python -m pipeline.

--docker   adds handler.py, server.py, requirements.txt and a Dockerfile: docker build -t NAME DIR
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from pipeline.commands.configuration.compose import one_config
from pipeline.config import Config
from pipeline.errors import ConfigError

DOCKER = "--docker"


def main(arguments: Sequence[str]) -> None:
    """Takes a run id, the name of an optimization or champion, a directory, then the overrides of a run."""
    words = [word for word in arguments if word != DOCKER]
    if len(words) < 2 or any("=" in word or word.startswith("-") for word in words[:2]):
        raise ConfigError(
            "name a run, an optimization or champion, then a directory: python -m pipeline export distilbert DIR"
        )
    export(words[0], Path(words[1]), one_config(words[2:]), DOCKER in arguments)


def export(name: str, folder: Path, config: Config, docker: bool) -> None:
    """Write what `name` is into a directory. Raises UserError where there is no such classifier, or no such directory."""
    from pipeline.deployment import exporting

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder}: it is not an empty directory; name another one")
    with tempfile.TemporaryDirectory() as scratch:
        artifact = exporting.find_artifact(name, config, Path(scratch))
        print("\n".join(exporting.export(artifact, folder, docker)))
