"""Make the previous champion the champion again.

python -m pipeline rollback                    of the default data and backbone
python -m pipeline rollback data=clinc150      of another experiment

It is loaded first, as a check. The current champion becomes the previous one, so a second rollback undoes the first.
"""

from collections.abc import Sequence
from pathlib import Path

from pipeline.commands.configuration.compose import one_config
from pipeline.config import Config
from pipeline.errors import TrackError


def main(arguments: Sequence[str]) -> None:
    """Takes the overrides of a run."""
    rollback(one_config(arguments))


def rollback(config: Config) -> None:
    """Swap both aliases. Raises TrackError if there is no previous champion or it can't be loaded."""
    from pipeline.deployment.registry import CHAMPION, PREVIOUS, Registry
    from pipeline.tracking.server import connect_existing

    experiment = config.experiment_name
    no_champion = TrackError(f"{experiment} has no previous champion; python -m pipeline decide makes one")
    registry = Registry(connect_existing(config.track, no_champion), experiment)
    with registry.lock(Path(config.track.root).resolve()):
        number = registry.version_of(PREVIOUS)
        if number is None or number == registry.version_of(CHAMPION):
            raise no_champion
        registry.predict(number, ["hello"])
        before = registry.promote(number)
    print(f"{registry.name}: version {number} is the {CHAMPION} again, version {before} the {PREVIOUS} one")
