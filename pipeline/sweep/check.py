"""Checks all jobs of a sweep before the first one starts, so that a job that can't work costs nothing."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.config import Config, digest, plain
from pipeline.deployment import publish
from pipeline.errors import ConfigError, UserError
from pipeline.models.outline import Outline
from pipeline.models.text_length import resolve
from pipeline.run import check
from pipeline.steps.base import Context
from pipeline.steps.execute import check_steps
from pipeline.steps.store import Store
from pipeline.system import locks
from pipeline.tracking.job import check_before_making


def check_jobs(configs: Sequence[Config], all_jobs_known: bool = True) -> None:
    """Check settings, data and steps of every job. Nothing is made.

    `all_jobs_known` is False if a sweeper chooses settings as it goes; then only the settings are checked here.
    Raises UserError for the first job that is known not to work.
    """
    hubs = [config.publish.hub for config in configs if config.publish.hub]
    if len(set(hubs)) < len(hubs):
        raise ConfigError(f"publish.hub={hubs[0]}: each job would overwrite the one before; append -${{optim.name}}")
    for config in configs:
        check(config)
    if not all_jobs_known:
        return
    with locks.shared():
        for group in _by_data(configs):
            _check_steps(group)


def _by_data(configs: Sequence[Config]) -> list[list[Config]]:
    """The jobs that have the same data and the same seed, in groups."""
    groups: dict[str, list[Config]] = {}
    for config in configs:
        groups.setdefault(digest([plain(config.data), config.seed]), []).append(config)
    return list(groups.values())


def _check_steps(configs: Sequence[Config]) -> None:
    splits = configs[0].data.load(configs[0].seed)
    known: dict[str, Outline] = {}
    for config in configs:
        try:
            backbone, settled = resolve(config.backbone, splits, config.seed)
            context = Context(settled, backbone, config.seed)
            check_before_making(config, context, Store(Path(config.track.root)), known)
            if config.publish.hub:
                publish.check_form(config.publish.hub, check_steps(config.optim, context, known))
        except UserError as error:
            raise type(error)(f"job {config.optim.name}: {error.args[0]}") from error
