"""The champion before this one becomes the champion again; python -m pipeline.rollback [data=... backbone=...].

It is loaded first. The one that was the champion becomes the previous one, so a second rollback undoes the first.
"""

from pathlib import Path

from pipeline.config import Config
from pipeline.errors import TrackError


def rollback(config: Config) -> None:
    """Move both aliases. Raises TrackError where there is no previous champion, or it can't be loaded any more."""
    from pipeline.track.registry import CHAMPION, PREVIOUS, Registry
    from pipeline.track.server import connect, is_fresh

    experiment = f"{config.data.name}/{config.backbone.name}"
    nothing = TrackError(f"{experiment} has no previous champion; python -m pipeline.decide makes one")
    if is_fresh(config.track):
        raise nothing
    registry = Registry(connect(config.track), experiment)
    with registry.held(Path(config.track.root).resolve()):
        number = registry.at(PREVIOUS)
        if number is None or number == registry.at(CHAMPION):
            raise nothing
        registry.answers(number, ["hello"])
        before = registry.promote(number)
    print(f"{registry.name}: version {number} is the {CHAMPION} again, version {before} the {PREVIOUS} one")


def main() -> None:
    """The entry point; takes the same overrides as the program itself."""
    from pipeline.cli import entry

    entry(__doc__, rollback)


if __name__ == "__main__":
    main()
